export {
  type Device,
  type DeviceInfo,
  type DeviceMemory,
  type DeviceName,
  devices,
} from './device.js';
export { type ErrorCode, InpaintError } from './errors.js';
export {
  type InpaintedFrame,
  Inpainter,
  type InpainterOptions,
  type InpaintOptions,
  type Progress,
} from './inpainter.js';
export type { FramePair, Image, ImageLike } from './video/image.js';
