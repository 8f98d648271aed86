import { InpaintError } from '../errors.js';
import { expectInteger, expectNumber, expectObject, expectOptions } from '../expect.js';
import type { Paint, Point, Project, Said, State, Zone } from './protocol.js';

const op = 'studio';

/** More is no work of a hand. */
const most = 10_000;

type Video = Pick<NonNullable<State['video']>, 'name' | 'width' | 'height' | 'frames'>;

function fail(expected: string, got: string): never {
  throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${got}`);
}

function expectList(name: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) return fail(`a list of ${name}`, typeof value);
  if (value.length > most) return fail(`at most ${most} ${name}`, `${value.length}`);
  return value;
}

/**
 * Judges what came from outside as what was said of a video.
 *
 * @param masks ids of the painted masks there are
 * @throws InpaintError ERR_ARGUMENT
 */
export function expectSaid(value: unknown, video: Video, masks: ReadonlySet<string>): Said {
  expectOptions(op, 'what is said', value as object, ['points', 'paints', 'zones', 'attached']);
  const { width, height, frames } = video;
  const said = value as { [K in keyof Said]?: unknown };
  const last = frames - 1;
  const { attached } = said;
  if (typeof attached !== 'boolean') return fail('attached to be true or false', typeof attached);
  return {
    attached,
    points: expectList('points', said.points).map((it, i): Point => {
      const name = `point ${i}`;
      expectOptions(op, name, it as object, ['frame', 'x', 'y', 'not']);
      const { frame, x, y, not } = it as Point;
      expectInteger(op, `the frame of ${name}`, frame, 0, last);
      expectNumber(op, `x of ${name}`, x, 0, width - 1);
      expectNumber(op, `y of ${name}`, y, 0, height - 1);
      if (typeof not !== 'boolean') fail(`not of ${name} to be true or false`, typeof not);
      return { frame, x, y, not };
    }),
    paints: expectList('paints', said.paints).map((it, i): Paint => {
      const name = `paint ${i}`;
      expectOptions(op, name, it as object, ['frame', 'mask']);
      const { frame, mask } = it as Paint;
      expectInteger(op, `the frame of ${name}`, frame, 0, last);
      if (!masks.has(mask)) fail(`${name} to name a mask there is`, String(mask));
      return { frame, mask };
    }),
    zones: expectList('zones', said.zones).map((it, i): Zone => {
      const name = `box ${i}`;
      expectOptions(op, name, it as object, ['kind', 'x', 'y', 'width', 'height', 'from', 'to']);
      const { kind, x, y, width: w, height: h, from, to } = it as Zone;
      if (!['object', 'whole', 'text'].includes(kind))
        fail(`${name} to be object, whole or text`, String(kind));
      expectInteger(op, `x of ${name}`, x, 0, width - 1);
      expectInteger(op, `y of ${name}`, y, 0, height - 1);
      expectInteger(op, `the width of ${name}`, w, 1, width - x);
      expectInteger(op, `the height of ${name}`, h, 1, height - y);
      expectInteger(op, `the first frame of ${name}`, from, 0, last);
      expectInteger(op, `the last frame of ${name}`, to, from, last);
      return { kind, x, y, width: w, height: h, from, to };
    }),
  };
}

/**
 * Judges a project file for a video. What is said is to be judged yet, once the masks are there.
 *
 * @throws InpaintError ERR_ARGUMENT
 */
export function expectProject(value: unknown, video: Video): Project {
  expectObject(op, 'a project', value as object);
  const project = value as Project;
  if (project.format !== 'align-and-attend studio' || project.version !== 1)
    fail('a project of the studio, version 1', `${project.format} ${project.version}`);
  expectObject(op, 'the video of a project', project.video);
  for (const side of ['width', 'height', 'frames'] as const) {
    if (project.video[side] === video[side]) continue;
    const told = ({ width, height, frames }: Omit<Video, 'name'>) =>
      `${width} x ${height} with ${frames} frames`;
    fail(`a project of a video of ${told(video)}`, `one of ${told(project.video)}`);
  }
  expectObject(op, 'the masks of a project', project.masks);
  const masks = Object.values(project.masks);
  if (masks.length > most) fail(`at most ${most} masks`, `${masks.length}`);
  for (const mask of masks) if (typeof mask !== 'string') fail('masks in base64', typeof mask);
  return project;
}
