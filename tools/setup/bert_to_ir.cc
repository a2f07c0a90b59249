// bert_to_ir IN.safetensors OUT.xml: builds a BERT encoder from its weights and saves it as
// OpenVINO IR (OUT.xml, OUT.bin). Inputs and output as in the usual ONNX exports: input_ids,
// attention_mask, token_type_ids (i64 [batch, length]) -> last_hidden_state (f32 [batch, length,
// width]). The shape is MiniLM-L6's: 12 heads, exact GELU, post-norm. Part of the set-up
// (models.sh), not of the program.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>
#include <openvino/opsets/opset8.hpp>
#include <simdjson.h>

namespace {

using Out = ov::Output<ov::Node>;
namespace op = ov::opset8;

constexpr int64_t kHeads = 12;
constexpr float kNormEpsilon = 1e-12F;

struct Weights {
  std::string bytes;  // the whole file
  std::map<std::string, ov::Tensor> tensors;

  explicit Weights(const char* path) {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
    uint64_t header_size = 0;
    if (bytes.size() < 8) throw std::runtime_error("cannot read the weights");
    std::memcpy(&header_size, bytes.data(), 8);
    if (header_size > bytes.size() - 8) throw std::runtime_error("the weights are cut off");
    simdjson::dom::parser parser;
    simdjson::dom::object header = parser.parse(bytes.data() + 8, header_size, true);
    for (auto [name, entry] : header) {
      if (name == "__metadata__" || std::string_view(entry["dtype"]) != "F32") continue;
      ov::Shape shape;
      for (uint64_t size : entry["shape"].get_array()) shape.push_back(size);
      const uint64_t begin = entry["data_offsets"].at(0);
      const uint64_t end = entry["data_offsets"].at(1);
      if (end - begin != ov::shape_size(shape) * 4 || 8 + header_size + end > bytes.size())
        throw std::runtime_error("a tensor's size does not fit its place");
      ov::Tensor tensor(ov::element::f32, shape);
      std::memcpy(tensor.data(), bytes.data() + 8 + header_size + begin, end - begin);
      tensors.emplace(std::string(name), tensor);
    }
  }

  Out operator()(const std::string& name) const {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw std::runtime_error("no tensor " + name);
    return std::make_shared<op::Constant>(found->second);
  }
};

Out Ints(std::vector<int64_t> values) {
  return op::Constant::create(ov::element::i64, {values.size()}, values);
}
Out Scalar(int64_t value) { return op::Constant::create(ov::element::i64, {}, {value}); }
Out Float(float value) { return op::Constant::create(ov::element::f32, {}, {value}); }

Out Dense(const Weights& weights, const std::string& name, Out x) {
  const Out product = std::make_shared<op::MatMul>(x, weights(name + ".weight"), false, true);
  return std::make_shared<op::Add>(product, weights(name + ".bias"));
}

Out LayerNorm(const Weights& weights, const std::string& name, Out x) {
  const Out normal =
      std::make_shared<op::MVN>(x, Ints({-1}), true, kNormEpsilon, ov::op::MVNEpsMode::INSIDE_SQRT);
  const Out scaled = std::make_shared<op::Multiply>(normal, weights(name + ".weight"));
  return std::make_shared<op::Add>(scaled, weights(name + ".bias"));
}

Out Heads(Out x, int64_t head_size, std::vector<int64_t> order) {
  const Out split = std::make_shared<op::Reshape>(x, Ints({0, 0, kHeads, head_size}), true);
  return std::make_shared<op::Transpose>(split, Ints(std::move(order)));
}

Out Attention(const Weights& weights, const std::string& layer, Out x, Out mask, int64_t width) {
  const int64_t head_size = width / kHeads;
  const Out query = Heads(Dense(weights, layer + "self.query", x), head_size, {0, 2, 1, 3});
  const Out key = Heads(Dense(weights, layer + "self.key", x), head_size, {0, 2, 3, 1});
  const Out value = Heads(Dense(weights, layer + "self.value", x), head_size, {0, 2, 1, 3});
  const Out raw = std::make_shared<op::MatMul>(query, key);
  const Out scaled =
      std::make_shared<op::Divide>(raw, Float(std::sqrt(static_cast<float>(head_size))));
  const Out masked = std::make_shared<op::Add>(scaled, mask);
  const Out weight = std::make_shared<op::Softmax>(masked, 3);
  const Out mixed = std::make_shared<op::MatMul>(weight, value);
  const Out back = std::make_shared<op::Transpose>(mixed, Ints({0, 2, 1, 3}));
  return std::make_shared<op::Reshape>(back, Ints({0, 0, width}), true);
}

Out Layer(const Weights& weights, const std::string& layer, Out x, Out mask, int64_t width) {
  const Out mixed = Attention(weights, layer + "attention.", x, mask, width);
  const Out projected = Dense(weights, layer + "attention.output.dense", mixed);
  const Out attended = LayerNorm(weights, layer + "attention.output.LayerNorm",
                                 std::make_shared<op::Add>(projected, x));
  const Out wide =
      std::make_shared<op::Gelu>(Dense(weights, layer + "intermediate.dense", attended));
  const Out narrow = Dense(weights, layer + "output.dense", wide);
  return LayerNorm(weights, layer + "output.LayerNorm",
                   std::make_shared<op::Add>(narrow, attended));
}

std::shared_ptr<op::Parameter> Input(const char* name) {
  auto input = std::make_shared<op::Parameter>(ov::element::i64, ov::PartialShape{-1, -1});
  input->set_friendly_name(name);
  input->output(0).set_names({name});
  return input;
}

Out Embed(const Weights& weights, Out ids, Out types) {
  const Out words =
      std::make_shared<op::Gather>(weights("embeddings.word_embeddings.weight"), ids, Scalar(0));
  const Out kinds = std::make_shared<op::Gather>(weights("embeddings.token_type_embeddings.weight"),
                                                 types, Scalar(0));
  const Out shape = std::make_shared<op::ShapeOf>(ids);
  const Out length = std::make_shared<op::Gather>(shape, Ints({1}), Scalar(0));
  const Out places = std::make_shared<op::StridedSlice>(
      weights("embeddings.position_embeddings.weight"), Ints({0}), length, Ints({1}),
      std::vector<int64_t>{0}, std::vector<int64_t>{0});
  const Out sum = std::make_shared<op::Add>(std::make_shared<op::Add>(words, kinds), places);
  return LayerNorm(weights, "embeddings.LayerNorm", sum);
}

// 0 where attended, a large negative number where padded, as [batch, 1, 1, length].
Out Mask(Out attention_mask) {
  const Out wide = std::make_shared<op::Unsqueeze>(attention_mask, Ints({1, 2}));
  const Out real = std::make_shared<op::Convert>(wide, ov::element::f32);
  const Out gone = std::make_shared<op::Subtract>(Float(1), real);
  return std::make_shared<op::Multiply>(gone, Float(-1e30F));
}

std::shared_ptr<ov::Model> Build(const Weights& weights) {
  const auto ids = Input("input_ids");
  const auto attention_mask = Input("attention_mask");
  const auto types = Input("token_type_ids");
  Out x = Embed(weights, ids, types);
  const Out mask = Mask(attention_mask);
  const auto width =
      static_cast<int64_t>(weights.tensors.at("embeddings.LayerNorm.weight").get_size());
  for (int layer = 0;; ++layer) {
    const std::string name = "encoder.layer." + std::to_string(layer) + ".";
    if (!weights.tensors.contains(name + "output.dense.weight")) break;
    x = Layer(weights, name, x, mask, width);
  }
  const auto result = std::make_shared<op::Result>(x);
  x.set_names({"last_hidden_state"});
  return std::make_shared<ov::Model>(ov::ResultVector{result},
                                     ov::ParameterVector{ids, attention_mask, types}, "bert");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: bert_to_ir IN.safetensors OUT.xml");
  const Weights weights(argv[1]);
  ov::save_model(Build(weights), argv[2], /*compress_to_fp16=*/false);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bert_to_ir: %s\n", error.what());
  return 1;
}
