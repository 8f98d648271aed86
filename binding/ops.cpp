// The operations by name: how each one's parameters are read. The parameters themselves are
// documented in lib/ops.
#include "ops.h"

#include <unordered_map>

namespace aa {

Napi::Value Call::value(const std::string& name) const {
  Napi::Value value = params_.Get(name);
  if (value.IsUndefined())
    throw Error("ERR_DEVICE", op, "expected a parameter " + name + ", got none");
  return value;
}

int Call::integer(const std::string& name, size_t i) const {
  return value(name).As<Napi::Array>().Get(uint32_t(i)).As<Napi::Number>().Int32Value();
}

Window Call::window(size_t i, const std::string& name) const {
  if (!input(i)) return {};
  const Tensor& t = *in[i];
  return {input(i), t.dim(1), t.dim(2), t.dim(3), integer(name + "Y"), integer(name + "X")};
}

Region Call::region(size_t i) const {
  return {out[i]->dim(1), out[i]->dim(2), integer("outY"), integer("outX")};
}

void Call::push_task(std::function<void()> run) {
  if (device->idle) run = [] {};
  if (device->poisoning) {
    std::vector<std::pair<void*, size_t>> outputs;
    for (Tensor* tensor : out) outputs.emplace_back(tensor->data(), tensor->bytes());
    run = [outputs, run = std::move(run), device = device.get()] {
      for (auto [data, bytes] : outputs) device->poison(data, bytes);
      run();
    };
  }
  device->stream().push({op, std::move(run), nullptr});
}

namespace {

// Fills `count` pointers from inputs first, first + 1, ...
template <class T>
void references(const Call& call, size_t first, int count, const T* (&to)[max_references]) {
  for (int i = 0; i < count; ++i) to[i] = call.input<T>(first + i);
}

void conv2d(Call& call, const Operations& on) {
  Conv2d p{};
  p.input_count = call.integer("inputCount");
  for (int i = 0; i < p.input_count; ++i) {
    const Tensor& t = *call.in[3 + i];
    p.inputs[i] = {
        call.input(3 + i),        t.dim(1), t.dim(2), t.dim(3), call.integer("inputY", i),
        call.integer("inputX", i)};
  }
  p.n = call.out[0]->dim(0);
  p.out = call.region(0);
  p.out_c = call.out[0]->dim(3);
  p.kernel = call.integer("kernel");
  p.stride = call.integer("stride");
  p.dilation = call.integer("dilation");
  p.upsample = call.flag("upsample");
  p.activation = Activation(call.integer("activation"));
  p.residual = call.window(2, "residual");
  p.weights = call.weights(0);
  p.bias = call.weights(1);
  p.output = call.output(0);
  call.push(on.conv2d, p);
}

void conv2d_pack(Call& call, const Operations& on) {
  Conv2dPack p = packing(call.params());
  p.matrix = call.input(0);
  p.packed = call.output(0);
  call.push(on.conv2d_pack, p);
}

void linear(Call& call, const Operations& on) {
  const int n = call.in[0]->dim(0);
  call.push(on.linear,
            {n, int(call.in[0]->elements()) / n, call.out[0]->dim(1), call.in[0]->rank() == 4,
             call.input(0), call.weights(1), call.weights(2), call.output(0)});
}

void resize(Call& call, const Operations& on) {
  Resize p{};
  p.n = call.in[0]->dim(0);
  p.input = call.window(0, "input");
  p.input_extent = call.extent("inputExtent");
  p.out = call.region(0);
  p.output_extent = call.extent("outputExtent");
  p.mode = ResizeMode(call.integer("mode"));
  p.threshold = Threshold(call.integer("threshold"));
  p.limit = call.number("limit");
  p.output = call.output(0);
  call.push(on.resize, p);
}

void unshuffle(Call& call, const Operations& on) {
  Unshuffle p{};
  p.n = call.out[0]->dim(0);
  p.h = call.out[0]->dim(1);
  p.w = call.out[0]->dim(2);
  p.factor = call.integer("factor");
  p.input_count = int(call.in.size());
  for (int i = 0; i < p.input_count; ++i) {
    p.inputs[i] = call.input(i);
    p.channels[i] = call.in[i]->dim(3);
  }
  p.output = call.output(0);
  call.push(on.unshuffle, p);
}

void normalize(Call& call, const Operations& on) {
  const int c = call.in[0]->dim(3);
  call.push(on.normalize, {int(call.in[0]->elements() / c), c, call.input(0), call.output(0)});
}

void compose_affine(Call& call, const Operations& on) {
  call.push(on.compose_affine, {call.in[1]->dim(0), call.input(0), call.input(1), call.output(0)});
}

void chain_homographies(Call& call, const Operations& on) {
  ChainHomographies p{};
  p.steps = int(call.in.size());
  p.r = call.out[0]->dim(0);
  p.target = call.integer("target");
  for (int i = 0; i < p.r; ++i) p.reference[i] = call.integer("references", i);
  for (int i = 0; i < p.steps; ++i) p.step[i] = call.input(i);
  p.output = call.output(0);
  call.push(on.chain_homographies, p);
}

void pack_frame(Call& call, const Operations& on) {
  const Tensor& frame = *call.in[0];
  const Tensor& plane = *call.out[0];
  call.push(on.pack_frame,
            {frame.dim(1), frame.dim(2), frame.dim(3), call.integer("scaledH"),
             call.integer("scaledW"), plane.dim(1), plane.dim(2), call.integer("dilate"),
             call.input<uint8_t>(0), call.input<uint8_t>(1), call.output(0), call.output(1),
             call.output(2), call.output(3), call.output<uint8_t>(4)});
}

void masked_correlation(Call& call, const Operations& on) {
  MaskedCorrelation p{};
  p.r = call.integer("r");
  p.h = call.in[0]->dim(1);
  p.w = call.in[0]->dim(2);
  p.c = call.in[0]->dim(3);
  p.scale = call.number("scale");
  p.target = call.input(0);
  p.target_visibility = call.input(1);
  if (call.flag("stacked")) {
    for (int i = 0; i < p.r; ++i) {
      p.reference[i] = call.input_from(2, size_t(i) * p.h * p.w * p.c);
      p.reference_visibility[i] = call.input_from(3, size_t(i) * p.h * p.w);
    }
  } else {
    references(call, 2, p.r, p.reference);
    references(call, 2 + p.r, p.r, p.reference_visibility);
  }
  p.output = call.output(0);
  call.push(on.masked_correlation, p);
}

void refinement_level(Call& call, const Operations& on) {
  const Tensor& level = *call.out[0];
  call.push(on.refinement_level,
            {level.dim(1), level.dim(2), call.integer("factor"), call.integer("radius"),
             call.number("sigma"), call.input(0), call.input(1), call.output(0),
             call.out.size() > 1 ? call.output(1) : nullptr});
}

void gauss_newton(Call& call, const Operations& on) {
  GaussNewton p{};
  p.r = call.in[0]->dim(0);
  p.h = call.in[2]->dim(1);
  p.w = call.in[2]->dim(2);
  p.rows = call.in[3]->dim(1);
  p.columns = call.in[3]->dim(2);
  p.steps = call.integer("steps");
  p.robust = call.number("robust");
  p.best = call.flag("best");
  p.theta = call.input(0);
  p.anchor = call.input(1);
  p.box = {call.number("boxY"), call.number("boxX"), call.number("boxH"), call.number("boxW")};
  p.within = call.number("within");
  p.target = call.input(2);
  p.near = call.input(3);
  references(call, 4, p.r, p.reference);
  p.output = call.output(0);
  call.push(on.gauss_newton, p);
}

void homography_sample(Call& call, const Operations& on) {
  HomographySample p{};
  const Tensor& source = *call.in[1];
  p.r = call.in[0]->dim(0);
  p.h = source.dim(1);
  p.w = source.dim(2);
  p.c = source.dim(3);
  p.theta = call.input(0);
  references(call, 1, p.r, p.source);
  references(call, 1 + p.r, p.r, p.source_visibility);
  p.output = call.output(0);
  p.visibility = call.output(1);
  call.push(on.homography_sample, p);
}

void local_distance(Call& call, const Operations& on) {
  const Tensor& aligned = *call.in[0];
  call.push(on.local_distance,
            {aligned.dim(0), aligned.dim(1), aligned.dim(2), call.number("sigma"), call.input(0),
             call.input(1), call.input(2), call.input(3), call.output(0), call.output(1)});
}

void temporal_pool(Call& call, const Operations& on) {
  const Tensor &aligned = *call.in[0], &distance = *call.in[2];
  call.push(on.temporal_pool,
            {aligned.dim(0), aligned.dim(1), aligned.dim(2), aligned.dim(3), distance.dim(1),
             distance.dim(2), call.number("scale"), call.number("doubt"), call.number("slope"),
             call.input(0), call.input(1), call.input(2), call.input(3), call.input(4),
             call.input(5), call.output(0), call.output(1), call.output(2)});
}

void window_match(Call& call, const Operations& on) {
  const Tensor& frames = *call.in[1];
  call.push(on.window_match, {frames.dim(0), frames.dim(1), frames.dim(2), call.integer("radius"),
                              call.number("slope"), call.number("toll"), call.input(0),
                              call.input(1), call.input(2), call.input(3), call.output(0)});
}

void mean_field(Call& call, const Operations& on) {
  const Tensor& unary = *call.in[0];
  call.push(on.mean_field, {unary.dim(1), unary.dim(2), call.integer("radius"),
                            call.number("weight"), call.number("range"), call.number("spread"),
                            call.input(0), call.input(1), call.input(2), call.output(0)});
}

void push_pull(Call& call, const Operations& on) {
  const Tensor& colour = *call.in[0];
  call.push(on.push_pull, {colour.dim(1), colour.dim(2), colour.dim(3), call.input(0),
                           call.input(1), call.input(2), call.input(3), call.output(0)});
}

void synthesize(Call& call, const Operations& on) {
  const Tensor& frame = *call.in[0];
  call.push(on.synthesize,
            {frame.dim(1), frame.dim(2), call.integer("seed"), call.window(2, "decoded"),
             call.input(0), call.input(1), call.input(3), call.input(4), call.output(0),
             call.output(1), call.output(2), call.output(3), call.output(4), call.output(5)});
}

void windowed_attention(Call& call, const Operations& on) {
  const Tensor& keys = *call.in[2];
  call.push(on.windowed_attention,
            {keys.dim(0), keys.dim(1), keys.dim(2), keys.dim(3), call.integer("reach"),
             call.number("scale"), call.number("pool"), call.number("sigma"), call.input(0),
             call.input(1), call.input(2), call.input(3), call.input(4), call.input(5),
             call.input(6), call.output(0)});
}

void flow_warp(Call& call, const Operations& on) {
  const Tensor& source = *call.in[0];
  call.push(on.flow_warp,
            {source.dim(1), source.dim(2), source.dim(3), call.out[0]->dim(3),
             source.type() == Type::u8, call.input<void>(0), call.input(1), call.in[1]->dim(3),
             call.number("scaleY"), call.number("scaleX"), call.region(0), call.output(0)});
}

void blend(Call& call, const Operations& on) {
  call.push(on.blend, {call.region(0), call.window(0, "decoded"), call.window(1, "coarse"),
                       call.window(2, "known"), call.window(3, "previous"),
                       call.window(4, "motion"), call.output(0)});
}

void composite(Call& call, const Operations& on) {
  const Tensor& frame = *call.in[2];
  call.push(on.composite, {frame.dim(1), frame.dim(2), frame.dim(3), frame.type() == Type::u8,
                           call.window(0, "y"), call.window(1, "known"), call.input<void>(2),
                           call.input<void>(3), call.output<void>(0), call.output(1)});
}

void paint_native(Call& call, const Operations& on) {
  const Tensor& frame = *call.in[0];
  PaintNative p{};
  p.r = call.in[6]->dim(0);
  p.h = frame.dim(1);
  p.w = frame.dim(2);
  p.c = frame.dim(3);
  p.bounds = {call.integer("outH"), call.integer("outW"), call.integer("outY"),
              call.integer("outX")};
  p.plane = call.extent("plane");
  p.extent = call.extent("extent");
  p.local_h = call.in[7]->dim(1);
  p.local_w = call.in[7]->dim(2);
  p.scale = call.number("scale");
  p.doubt = call.number("doubt");
  p.slope = call.number("slope");
  p.scale_y = call.number("scaleY");
  p.scale_x = call.number("scaleX");
  p.frame = call.input<uint8_t>(0);
  p.visibility = call.input<uint8_t>(1);
  p.previous = call.input<uint8_t>(2);
  p.motion = call.input(3);
  p.decoded = call.window(4, "decoded");
  p.coarse = call.input(5);
  p.theta = call.input(6);
  p.distance = call.input(7);
  p.offset = call.input(8);
  references(call, 9, p.r, p.reference);
  references(call, 9 + p.r, p.r, p.reference_visibility);
  p.output = call.output<uint8_t>(0);
  p.coverage = call.output(1);
  call.push(on.paint_native, p);
}

using Row = void (*)(Call&, const Operations&);

const std::unordered_map<std::string, Row> table = {
    {"blend", blend},
    {"chain_homographies", chain_homographies},
    {"compose_affine", compose_affine},
    {"composite", composite},
    {"conv2d", conv2d},
    {"conv2d_pack", conv2d_pack},
    {"flow_warp", flow_warp},
    {"gauss_newton", gauss_newton},
    {"homography_sample", homography_sample},
    {"linear", linear},
    {"local_distance", local_distance},
    {"masked_correlation", masked_correlation},
    {"windowed_attention", windowed_attention},
    {"mean_field", mean_field},
    {"normalize", normalize},
    {"pack_frame", pack_frame},
    {"paint_native", paint_native},
    {"push_pull", push_pull},
    {"refinement_level", refinement_level},
    {"resize", resize},
    {"synthesize", synthesize},
    {"temporal_pool", temporal_pool},
    {"unshuffle", unshuffle},
    {"window_match", window_match},
};

// Writes down what the call has queued.
void record(Call& call, Row row) {
  std::vector<TensorInfo> tensors;
  for (const auto* list : {&call.in, &call.out})
    for (const Tensor* tensor : *list) tensors.push_back(tensor ? tensor->info() : TensorInfo{});
  Recorded at, shifted;
  call.recorded = &at;
  row(call, call.device->operations());
  call.recorded = &shifted;
  call.shifts = true;
  row(call, call.device->operations());
  call.device->recorder->add(call.op, at, shifted, std::move(tensors), call.in.size());
}

}  // namespace

Conv2dPack packing(Napi::Object params) {
  auto integer = [](Napi::Value value) { return value.As<Napi::Number>().Int32Value(); };
  auto channels = params.Get("channels").As<Napi::Array>();
  Conv2dPack p{};
  p.out = integer(params.Get("out"));
  p.taps = integer(params.Get("taps"));
  p.input_count = int(channels.Length());
  for (int i = 0; i < p.input_count; ++i) p.c += p.channels[i] = integer(channels.Get(uint32_t(i)));
  return p;
}

void enqueue(const std::string& op, std::shared_ptr<Device> device, Napi::Int32Array inputs,
             Napi::Int32Array outputs, Napi::Object params) {
  auto row = table.find(op);
  if (row == table.end()) throw Error("ERR_DEVICE", op, "expected an operation of this addon");
  auto tensors = [&](Napi::Int32Array from, std::vector<Tensor*>& to) {
    for (size_t i = 0; i < from.ElementLength(); ++i)
      to.push_back(from[i] < 0 ? nullptr : tensor_of(params.Env(), from[i]));
  };
  Call call(row->first.c_str(), device, params);
  tensors(inputs, call.in);
  tensors(outputs, call.out);
  row->second(call, device->operations());
  if (device->recorder) record(call, row->second);
}

}  // namespace aa
