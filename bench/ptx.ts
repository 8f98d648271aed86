// What the PTX of a kernel must not hold, because ptxas makes wrong machine code of it.

/** Two minima or maxima of integers, one of the other, with a negated number among their inputs. */
export interface Chain {
  readonly kernel: string;
  /** The inner instruction, as it stands in the PTX. */
  readonly inner: string;
  /** The one that takes its result. */
  readonly outer: string;
}

/**
 * Why a chain is a fault. Seen on an H200: `blur` of local_distance began at max(-i, -radius) and
 * its trip count took max(max(-i, -radius), last). The three-way maximum (VIMNMX3, from 9.0 on)
 * that ptxas 13.0.88 made of it, at any -O level, read radius where -radius was meant. The PTX was
 * right, so the emulator saw nothing. Bounds that are places, max(i - radius, 0), are safe: there
 * the subtraction is an instruction of its own.
 */
export const whyChain =
  'ptxas 13.0 folds such a chain on 9.0 to a three-way minimum or maximum and loses the minus';

interface Instruction {
  readonly text: string;
  readonly name: string;
  readonly type: string;
  readonly inputs: readonly string[];
}

const line = /^[ \t]*(?:@!?%\w+[ \t]+)?(([a-z]\w*)(?:\.\w+)*(?:\.(\w+))[ \t]+([^;]*));/gm;

/** The instructions that set each register of a kernel; a loop's variable has several. */
function read(body: string): Map<string, Instruction[]> {
  const setters = new Map<string, Instruction[]>();
  for (const [, whole = '', name = '', type = '', operands = ''] of body.matchAll(line)) {
    const [to = '', ...inputs] = operands.split(',').map((operand) => operand.trim());
    const text = whole.replace(/\s+/g, ' ');
    setters.set(to, [...(setters.get(to) ?? []), { text, name, type, inputs }]);
  }
  return setters;
}

/**
 * All chains in the PTX of a file. Only what feeds another directly or by `mov` is one: a `not`, an
 * addition or a conversion in between is an instruction of its own, and nothing is folded.
 */
export function findChains(ptx: string): Chain[] {
  const [, ...kernels] = ptx.split(/\.(?:entry|func)\s+(?:\([^)]*\)\s*)?(?=\w+\s*\()/);
  return kernels.flatMap((text) => chainsOf(/^\w+/.exec(text)?.[0] ?? '', read(text)));
}

function chainsOf(kernel: string, setters: ReadonlyMap<string, readonly Instruction[]>): Chain[] {
  /** What sets an operand, copies left out. */
  const sources = (operand: string, seen = new Set<string>()): Instruction[] => {
    if (seen.has(operand)) return [];
    seen.add(operand);
    return (setters.get(operand) ?? []).flatMap((it) =>
      it.name === 'mov' ? sources(it.inputs[0] as string, seen) : [it],
    );
  };
  const is = (operand: string | undefined, number: string): boolean =>
    operand === number ||
    (setters.get(operand ?? '') ?? []).some(
      ({ name, inputs: [from] }) => name === 'mov' && from !== operand && is(from, number),
    );
  const isNot = ({ name, inputs }: Instruction) =>
    name === 'not' || (name === 'xor' && inputs.some((it) => is(it, '-1')));
  /** -x, 0 - x, x * -1 or ~x + 1. */
  const isNegation = ({ name, inputs }: Instruction): boolean =>
    name === 'neg' ||
    (name === 'sub' && is(inputs[0], '0')) ||
    (name === 'mul' && inputs.some((it) => is(it, '-1'))) ||
    (name === 'add' &&
      inputs.some((it) => is(it, '1')) &&
      inputs.some((it) => sources(it).some(isNot)));
  const isExtreme = ({ name, type }: Instruction) =>
    (name === 'min' || name === 'max') && /^[su]\d+(x2)?$/.test(type);
  const negates = ({ inputs }: Instruction) =>
    inputs.some((input) => sources(input).some(isNegation));

  const chains: Chain[] = [];
  for (const outer of [...setters.values()].flat().filter(isExtreme)) {
    const inner = new Set(outer.inputs.flatMap((input) => sources(input).filter(isExtreme)));
    for (const it of inner)
      if (negates(it) || negates(outer)) chains.push({ kernel, inner: it.text, outer: outer.text });
  }
  return chains;
}
