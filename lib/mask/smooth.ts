import type { Device } from '../device.js';
import { meanField } from '../ops/mean_field.js';
import { scope } from '../scope.js';
import type { Scene, View } from './scene.js';

/**
 * Neighbours within 5 pixels of a view count, by a Gaussian of 3; a colour that differs by 0.14
 * counts a third of the same one. More steps change little.
 */
const field = { radius: 5, spread: 0.055, range: 50, weight: 3 } as const;
const steps = 5;

/** Of logits that speak for an object, [h w], those drawn to the edges of the picture. */
export async function smooth(
  device: Device,
  { size }: Scene,
  logits: Float32Array,
  target: View,
): Promise<Float32Array> {
  const out = scope(() => {
    const unary = device.upload(logits, [1, size.h, size.w, 1]);
    let state = unary;
    for (let i = 0; i < steps; i++) state = meanField(unary, state, target.half, field);
    return state;
  });
  const values = (await out.read()) as Float32Array;
  out.dispose();
  return values;
}

/** 0 to 1 of a logit. */
export const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
export const clamp = (v: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, v));
