export {
  Device,
  type DeviceInfo,
  type DeviceName,
  type DeviceOptions,
  devices,
} from '../device.js';
export { InpaintError } from '../errors.js';
export { scope } from '../scope.js';
export { type DType, Tensor } from '../tensor.js';
export * from './blend.js';
export * from './chain_homographies.js';
export * from './compose_affine.js';
export * from './composite.js';
export { type Conv2dOptions, conv2d, type PackedConv, packConv2d } from './conv2d.js';
export * from './flow_warp.js';
export * from './gauss_newton.js';
export * from './homography_sample.js';
export { linear, type PackedLinear, packLinear } from './linear.js';
export * from './local_distance.js';
export * from './masked_correlation.js';
export * from './mean_field.js';
export * from './normalize.js';
export * from './pack_frame.js';
export * from './paint_native.js';
export * from './push_pull.js';
export * from './refinement_level.js';
export * from './resize.js';
export * from './synthesize.js';
export * from './temporal_pool.js';
export * from './unshuffle.js';
export type { Region, Size, Window, Windowed } from './window.js';
export * from './window_match.js';
export * from './windowed_attention.js';
