// Pointers to what differs each time a graph is played.
#pragma once
#include <cstdint>

namespace aa::cuda {

// Note [indirect pointers]. A program's graph is played on other tensors each time. Its kernels are
// not told by their parameters, for to set a parameter of a node costs the host a microsecond, and
// most of a frame's kernels read or write some tensor of the frame. Instead the graph begins with a
// node that writes the addresses of these tensors into a table in device memory, and kernels are
// given, once and for all, where in the table their tensor's address is: an indirect pointer, which
// is told by its highest bit. So every kernel makes the pointers of its parameters direct before it
// uses them. Launchers take them as they are: they neither add to pointers nor look at them, but for
// null, which is direct.
constexpr uint64_t indirect = uint64_t(1) << 63;

template <class T>
__device__ T* direct(T* pointer) {
  const auto bits = reinterpret_cast<uint64_t>(pointer);
  if (!(bits & indirect)) return pointer;
  // The table was written before the kernel began.
  const auto* at = reinterpret_cast<const unsigned long long*>(bits & ~indirect);
  return reinterpret_cast<T*>(__ldg(at));
}

// Makes all of them direct.
template <class... T>
__device__ void make_direct(T*&... pointers) {
  ((pointers = direct(pointers)), ...);
}

}  // namespace aa::cuda
