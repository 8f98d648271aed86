export { parseObjectBox, parsePoint, type Prompt } from './prompts.js';
export { type TrackedMask, type TrackOptions, trackMask } from './track.js';
