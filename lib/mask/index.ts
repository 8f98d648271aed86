export { type FilePrompt, type MaskJob, type MaskResult, trackFile } from './file.js';
export { type OverlayOptions, overlayMask } from './overlay.js';
export { type Prompt, parseObjectBox, parsePoint } from './prompts.js';
export { type TrackedMask, type TrackOptions, trackMask } from './track.js';
