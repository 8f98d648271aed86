// Node 20 gives `Symbol.dispose` to its own context alone: another one, as those of node:vm and of
// vitest's `vmThreads`, lacks it, and classes would name their method `undefined`.

for (const name of ['dispose', 'asyncDispose'] as const) {
  if (Symbol[name]) continue;
  Object.defineProperty(Symbol, name, { value: Symbol.for(`nodejs.${name}`) });
}
