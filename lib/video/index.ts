export { type FileJob, type FileResult, type FrameInpainter, inpaintFile } from './file.js';
export type { FramePair, Image, ImageLike } from './image.js';
export { type Box, MaskReader, type MaskSpec, openMask, pairFrames, parseBox } from './masks.js';
export { createWriter, openVideo } from './media.js';
export { type VideoFrame, VideoReader } from './reader.js';
export type { Rotation } from './rotation.js';
export { VideoWriter } from './writer.js';
