export type { VideoCodec, WriteOptions } from './encoding.js';
export {
  type FileJob,
  type FileProgress,
  type FileResult,
  type FrameInpainter,
  inpaintFile,
} from './file.js';
export type { FramePair, Image, ImageLike } from './image.js';
export {
  type Box,
  type MaskOptions,
  MaskReader,
  type MaskSpec,
  type Moment,
  openMask,
  pairFrames,
  parseBox,
  parseMoment,
} from './masks.js';
export { createWriter, openVideo } from './media.js';
export { type PreviewJob, type PreviewResult, previewFile } from './preview.js';
export { type FieldOrder, type ReadOptions, type VideoFrame, VideoReader } from './reader.js';
export { Report, type ReportFacts } from './report.js';
export type { Rotation } from './rotation.js';
export { VideoWriter } from './writer.js';
