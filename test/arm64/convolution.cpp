// One convolution, as often as the argument says, on one thread: what qemu counts of it, compiled with NEON and
// without, tells what the vectors save. See run.sh.
#include <cstdlib>
#include <vector>

#include "../../binding/cpu/simd.h"

namespace {

class OneThread : public aa::cpu::Context {
 public:
  void parallel(int tasks, void (*body)(void*, int, int), void* argument) override {
    for (int task = 0; task < tasks; task++) body(argument, task, 0);
  }
  int workers() const override { return 1; }
  void* scratch(int slot, size_t bytes) override {
    memory[slot].resize(bytes / sizeof(float) + 32);
    const size_t at = reinterpret_cast<size_t>(memory[slot].data());
    return reinterpret_cast<void*>((at + 63) / 64 * 64);
  }

 private:
  std::vector<float> memory[2];
};

}  // namespace

int main(int, char** arguments) {
  using namespace aa::cpu::AA_ISA;
  constexpr int size = 24, c = 32, out = 32, kernel = 5;
  OneThread context;
  std::vector<float> input(size * size * c, 0.5f), matrix(out * kernel * kernel * c, 0.25f),
      bias(out, 1.f), output(size * size * out);
  aa::Conv2dPack pack{out, kernel * kernel, c, 1, {c}, matrix.data(), nullptr};
  std::vector<float> packed(conv2d_packed_size(context, pack));
  pack.packed = packed.data();
  conv2d_pack(context, pack);
  aa::Conv2d p{};
  p.inputs[0].data = input.data();
  p.inputs[0].h = p.inputs[0].w = p.out.h = p.out.w = size;
  p.inputs[0].c = c;
  p.input_count = p.n = p.stride = p.dilation = 1;
  p.out_c = out;
  p.kernel = kernel;
  p.activation = aa::Activation::leaky_relu;
  p.weights = packed.data();
  p.bias = bias.data();
  p.output = output.data();
  for (int i = std::atoi(arguments[1]); i > 0; i--) conv2d(context, p);
}
