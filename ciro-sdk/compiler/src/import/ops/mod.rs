//! The registry of operators, and their translations, one family a file.

mod arithmetic;
mod arrange;
mod attention;
mod bits;
mod control;
mod conv;
mod einsum;
mod elementwise;
mod fused;
mod gather;
mod linear;
mod loss;
mod ml;
mod norm;
mod pool;
mod quantize;
mod recurrent;
mod reduce;
mod resize;
mod sample;
mod shape;
mod signal;
mod spatial;
mod state;

use super::Reason;
use super::context::Context;
use super::data_type::data_type;
use super::value::Outputs;
use crate::float::{BinaryFn, Reducer, UnaryFn};
use recurrent::Cell;

/// Translates one node.
pub(super) type Translate = fn(&mut Context<'_, '_>) -> Outputs;

/// The translation of an operator; the default domain has the empty name.
pub(super) fn find(domain: &str, name: &str) -> Result<Translate, Reason> {
    let registry: &[(&str, Translate)] = match domain {
        "" => STANDARD,
        "ai.onnx.ml" => ML,
        "com.microsoft" => MICROSOFT,
        _ => return Err(Reason::UnknownDomain(domain.to_owned())),
    };
    if let Some((_, translate)) = registry.iter().find(|(known, _)| *known == name) {
        return Ok(*translate);
    }
    match REFUSED.iter().find(|(known, _)| *known == name) {
        Some((_, why)) => Err(Reason::Unsupported(why)),
        None => Err(Reason::UnknownOperator),
    }
}

/// Operators of ONNX itself.
const STANDARD: &[(&str, Translate)] = &[
    // Elementwise, one operand.
    ("Abs", |cx| elementwise::unary(cx, UnaryFn::Abs)),
    ("Acos", |cx| elementwise::unary(cx, UnaryFn::Acos)),
    ("Acosh", |cx| elementwise::unary(cx, UnaryFn::Acosh)),
    ("Asin", |cx| elementwise::unary(cx, UnaryFn::Asin)),
    ("Asinh", |cx| elementwise::unary(cx, UnaryFn::Asinh)),
    ("Atan", |cx| elementwise::unary(cx, UnaryFn::Atan)),
    ("Atanh", |cx| elementwise::unary(cx, UnaryFn::Atanh)),
    ("Ceil", |cx| elementwise::unary(cx, UnaryFn::Ceil)),
    ("Celu", elementwise::celu),
    ("Clip", elementwise::clip_op),
    ("Cos", |cx| elementwise::unary(cx, UnaryFn::Cos)),
    ("Cosh", |cx| elementwise::unary(cx, UnaryFn::Cosh)),
    ("Elu", elementwise::elu),
    ("Erf", |cx| elementwise::unary(cx, UnaryFn::Erf)),
    ("Exp", |cx| elementwise::unary(cx, UnaryFn::Exp)),
    ("Floor", |cx| elementwise::unary(cx, UnaryFn::Floor)),
    ("Gelu", elementwise::gelu),
    ("HardSigmoid", elementwise::hard_sigmoid),
    ("HardSwish", elementwise::hard_swish),
    ("IsInf", elementwise::is_inf),
    ("IsNaN", |cx| elementwise::predicate(cx, UnaryFn::IsNaN)),
    ("LeakyRelu", elementwise::leaky_relu),
    ("Log", |cx| elementwise::unary(cx, UnaryFn::Log)),
    ("Mish", elementwise::mish),
    ("Neg", |cx| elementwise::unary(cx, UnaryFn::Neg)),
    ("Not", |cx| elementwise::predicate(cx, UnaryFn::Not)),
    ("PRelu", elementwise::prelu),
    ("Reciprocal", |cx| elementwise::unary(cx, UnaryFn::Reciprocal)),
    ("Relu", |cx| elementwise::unary(cx, UnaryFn::Relu)),
    ("Round", |cx| elementwise::unary(cx, UnaryFn::Round)),
    ("Selu", elementwise::selu),
    ("Shrink", elementwise::shrink),
    ("Sigmoid", |cx| elementwise::unary(cx, UnaryFn::Sigmoid)),
    ("Sign", |cx| elementwise::unary(cx, UnaryFn::Sign)),
    ("Sin", |cx| elementwise::unary(cx, UnaryFn::Sin)),
    ("Sinh", |cx| elementwise::unary(cx, UnaryFn::Sinh)),
    ("Softplus", |cx| elementwise::unary(cx, UnaryFn::Softplus)),
    ("Softsign", elementwise::softsign),
    ("Sqrt", |cx| elementwise::unary(cx, UnaryFn::Sqrt)),
    ("SwiGLU", elementwise::swi_glu),
    ("Swish", elementwise::swish),
    ("Tan", |cx| elementwise::unary(cx, UnaryFn::Tan)),
    ("Tanh", |cx| elementwise::unary(cx, UnaryFn::Tanh)),
    ("ThresholdedRelu", elementwise::thresholded_relu),
    // Elementwise, several operands.
    ("Add", |cx| arithmetic::binary(cx, BinaryFn::Add)),
    ("And", |cx| arithmetic::predicate(cx, BinaryFn::And)),
    ("BitCast", bits::bit_cast),
    ("BitShift", bits::bit_shift),
    ("BitwiseAnd", |cx| bits::bitwise(cx, BinaryFn::And)),
    ("BitwiseNot", bits::bitwise_not),
    ("BitwiseOr", |cx| bits::bitwise(cx, BinaryFn::Or)),
    ("BitwiseXor", |cx| bits::bitwise(cx, BinaryFn::Xor)),
    ("Cast", |cx| {
        let to = data_type(i32::try_from(cx.int("to", 0)).unwrap_or(0))?;
        arithmetic::cast(cx, to)
    }),
    ("CastLike", |cx| {
        let to = cx.tensor(1)?.kind;
        arithmetic::cast(cx, to)
    }),
    ("Div", arithmetic::div),
    ("Equal", arithmetic::equal),
    ("Greater", |cx| arithmetic::predicate(cx, BinaryFn::Greater)),
    ("GreaterOrEqual", |cx| arithmetic::predicate(cx, BinaryFn::GreaterOrEqual)),
    ("Less", |cx| arithmetic::predicate(cx, BinaryFn::Less)),
    ("LessOrEqual", |cx| arithmetic::predicate(cx, BinaryFn::LessOrEqual)),
    ("Max", |cx| arithmetic::variadic(cx, BinaryFn::Max)),
    ("Mean", arithmetic::mean),
    ("Min", |cx| arithmetic::variadic(cx, BinaryFn::Min)),
    ("Mod", arithmetic::modulo),
    ("Mul", |cx| arithmetic::binary(cx, BinaryFn::Mul)),
    ("Or", |cx| arithmetic::predicate(cx, BinaryFn::Or)),
    ("Pow", arithmetic::pow),
    ("Sub", |cx| arithmetic::binary(cx, BinaryFn::Sub)),
    ("Sum", |cx| arithmetic::variadic(cx, BinaryFn::Add)),
    ("Where", arithmetic::where_op),
    ("Xor", |cx| arithmetic::predicate(cx, BinaryFn::Xor)),
    // Linear.
    ("Conv", conv::conv),
    ("ConvTranspose", conv::conv_transpose),
    ("Attention", attention::attention),
    ("Det", linear::det),
    ("Einsum", einsum::einsum),
    ("Gemm", linear::gemm),
    ("MatMul", linear::mat_mul),
    ("RotaryEmbedding", attention::rotary_embedding),
    // Pooling.
    ("AveragePool", pool::average_pool),
    ("GlobalAveragePool", |cx| pool::global(cx, Reducer::Mean)),
    ("GlobalLpPool", pool::global_lp_pool),
    ("GlobalMaxPool", |cx| pool::global(cx, Reducer::Max)),
    ("LpPool", pool::lp_pool),
    ("MaxPool", pool::max_pool),
    ("MaxUnpool", pool::max_unpool),
    // Normalization.
    ("BatchNormalization", norm::batch_norm),
    ("GroupNormalization", norm::group_norm),
    ("InstanceNormalization", norm::instance_norm),
    ("LayerNormalization", norm::layer_norm),
    ("LpNormalization", norm::lp_norm),
    ("LRN", norm::lrn),
    ("MeanVarianceNormalization", norm::mean_variance),
    ("RMSNormalization", norm::rms_norm),
    // onnxruntime's optimizer writes it into the default domain.
    ("SimplifiedLayerNormalization", norm::rms_norm),
    // Reductions and orders.
    ("ArgMax", |cx| reduce::arg(cx, Reducer::ArgMax)),
    ("ArgMin", |cx| reduce::arg(cx, Reducer::ArgMin)),
    ("CumProd", reduce::cum_prod),
    ("CumSum", reduce::cum_sum),
    ("Hardmax", reduce::hardmax),
    ("LogSoftmax", reduce::log_softmax),
    ("ReduceL1", |cx| reduce::reduce(cx, reduce::L1)),
    ("ReduceL2", |cx| reduce::reduce(cx, reduce::L2)),
    ("ReduceLogSum", |cx| reduce::reduce(cx, reduce::LOG_SUM)),
    ("ReduceLogSumExp", reduce::log_sum_exp),
    ("ReduceMax", |cx| reduce::reduce(cx, reduce::MAX)),
    ("ReduceMean", |cx| reduce::reduce(cx, reduce::MEAN)),
    ("ReduceMin", |cx| reduce::reduce(cx, reduce::MIN)),
    ("ReduceProd", |cx| reduce::reduce(cx, reduce::PROD)),
    ("ReduceSum", |cx| reduce::reduce(cx, reduce::SUM)),
    ("ReduceSumSquare", |cx| reduce::reduce(cx, reduce::SUM_SQUARE)),
    ("Softmax", reduce::softmax),
    ("TopK", reduce::top_k),
    // Shapes.
    ("CenterCropPad", arrange::center_crop_pad),
    ("Concat", shape::concat),
    ("Constant", shape::constant),
    ("ConstantOfShape", shape::constant_of_shape),
    ("DepthToSpace", arrange::depth_to_space),
    ("Dropout", shape::dropout),
    ("Expand", shape::expand),
    ("EyeLike", shape::eye_like),
    ("Flatten", shape::flatten),
    ("Identity", shape::identity),
    ("Pad", arrange::pad),
    ("Range", shape::range),
    ("Reshape", shape::reshape),
    ("ReverseSequence", arrange::reverse_sequence),
    ("Shape", shape::shape),
    ("Size", shape::size),
    ("Slice", shape::slice),
    ("SpaceToDepth", arrange::space_to_depth),
    ("Split", shape::split),
    ("Squeeze", shape::squeeze),
    ("Tile", shape::tile),
    ("Transpose", shape::transpose),
    ("Trilu", shape::trilu),
    ("Unsqueeze", shape::unsqueeze),
    // Positions.
    ("Compress", gather::compress),
    ("Gather", gather::gather),
    ("GatherElements", gather::gather_elements),
    ("GatherND", gather::gather_nd),
    ("NonZero", gather::non_zero),
    ("OneHot", gather::one_hot),
    ("Scatter", gather::scatter_elements),
    ("ScatterElements", gather::scatter_elements),
    ("ScatterND", gather::scatter_nd),
    // Images.
    ("AffineGrid", sample::affine_grid),
    ("Col2Im", sample::col2im),
    ("GridSample", sample::grid_sample),
    ("Resize", resize::resize),
    ("Upsample", resize::upsample),
    // Signals.
    ("BlackmanWindow", |cx| signal::window(cx, [0.42, 0.5, 0.08])),
    ("DFT", signal::dft),
    ("HammingWindow", |cx| signal::window(cx, [25.0 / 46.0, 21.0 / 46.0, 0.0])),
    ("HannWindow", |cx| signal::window(cx, [0.5, 0.5, 0.0])),
    ("MelWeightMatrix", signal::mel_weight_matrix),
    ("STFT", signal::stft),
    // Losses.
    ("NegativeLogLikelihoodLoss", loss::negative_log_likelihood),
    ("SoftmaxCrossEntropyLoss", loss::softmax_cross_entropy),
    // Recurrence.
    ("GRU", |cx| recurrent::recurrent(cx, Cell::Gru)),
    ("LSTM", |cx| recurrent::recurrent(cx, Cell::Lstm)),
    ("RNN", |cx| recurrent::recurrent(cx, Cell::Rnn)),
    ("CausalConvWithState", state::causal_conv),
    ("LinearAttention", state::linear_attention),
    ("TensorScatter", state::tensor_scatter),
    // Control flow, sequences, optionals.
    ("ConcatFromSequence", control::concat_from_sequence),
    ("If", control::if_op),
    ("Loop", control::loop_op),
    ("Optional", control::optional),
    ("OptionalGetElement", control::optional_get_element),
    ("OptionalHasElement", control::optional_has_element),
    ("Scan", control::scan),
    ("SequenceAt", control::sequence_at),
    ("SequenceConstruct", control::sequence_construct),
    ("SequenceEmpty", control::sequence_empty),
    ("SequenceErase", control::sequence_erase),
    ("SequenceInsert", control::sequence_insert),
    ("SequenceLength", control::sequence_length),
    ("SequenceMap", control::sequence_map),
    ("SplitToSequence", control::split_to_sequence),
    // Quantization.
    ("ConvInteger", quantize::conv_integer),
    ("DequantizeLinear", quantize::dequantize_linear),
    ("DynamicQuantizeLinear", quantize::dynamic_quantize_linear),
    ("MatMulInteger", quantize::mat_mul_integer),
    ("QLinearConv", quantize::q_linear_conv),
    ("QLinearMatMul", quantize::q_linear_mat_mul),
    ("QuantizeLinear", quantize::quantize_linear),
];

/// Operators of classical machine learning.
const ML: &[(&str, Translate)] = &[
    ("ArrayFeatureExtractor", gather::array_feature_extractor),
    ("Binarizer", ml::features::binarizer),
    ("CategoryMapper", ml::encode::category_mapper),
    ("FeatureVectorizer", ml::features::vectorizer),
    ("Imputer", ml::features::imputer),
    ("LabelEncoder", ml::encode::label_encoder),
    ("LinearClassifier", ml::linear::classifier),
    ("LinearRegressor", ml::linear::regressor),
    ("Normalizer", ml::features::normalizer),
    ("OneHotEncoder", ml::encode::one_hot),
    ("Scaler", ml::features::scaler),
    ("SVMClassifier", ml::svm::classifier),
    ("SVMRegressor", ml::svm::regressor),
    ("TreeEnsemble", ml::tree_ensemble::general),
    ("TreeEnsembleClassifier", ml::tree_ensemble::classifier),
    ("TreeEnsembleRegressor", ml::tree_ensemble::regressor),
    ("ZipMap", shape::identity),
];

/// Operators that onnxruntime adds.
const MICROSOFT: &[(&str, Translate)] = &[
    ("Attention", attention::packed),
    ("BiasGelu", |cx| elementwise::bias_gelu(cx, &elementwise::gelu_erf())),
    ("FastGelu", |cx| elementwise::bias_gelu(cx, &elementwise::gelu_tanh())),
    ("FusedConv", fused::fused_conv),
    ("FusedGemm", fused::fused_gemm),
    ("FusedMatMul", linear::fused_mat_mul),
    ("Gelu", elementwise::gelu),
    ("ConvInteger", quantize::conv_integer),
    ("DequantizeLinear", quantize::dequantize_linear),
    ("DynamicQuantizeLinear", quantize::dynamic_quantize_linear),
    ("MatMulInteger", quantize::mat_mul_integer),
    ("MultiHeadAttention", attention::multi_head),
    ("QGemm", quantize::q_gemm),
    ("QLinearAdd", |cx| quantize::q_linear_binary(cx, BinaryFn::Add)),
    ("QLinearAveragePool", |cx| {
        quantize::q_linear_unary(cx, |cx, x| {
            let windows = pool::windows(cx, x, 0.0)?;
            pool::average(cx, x, &windows)
        })
    }),
    ("QLinearConcat", quantize::q_linear_concat),
    ("QLinearConv", quantize::q_linear_conv),
    ("QLinearGlobalAveragePool", |cx| {
        quantize::q_linear_unary(cx, |cx, x| {
            let axes: Vec<usize> = (2..cx.g.rank(x)).collect();
            cx.g.reduce_keep(Reducer::Mean, x, &axes)
        })
    }),
    ("QLinearLeakyRelu", |cx| {
        quantize::q_linear_unary(cx, |cx, x| {
            let f = elementwise::leaky(cx.float("alpha", 0.01));
            cx.g.map(f, x)
        })
    }),
    ("QLinearMul", |cx| quantize::q_linear_binary(cx, BinaryFn::Mul)),
    ("QLinearSigmoid", |cx| quantize::q_linear_unary(cx, |cx, x| cx.g.unary(UnaryFn::Sigmoid, x))),
    ("QLinearSoftmax", quantize::q_linear_softmax),
    ("QuantizeLinear", quantize::quantize_linear),
    ("QuickGelu", elementwise::quick_gelu),
    ("SimplifiedLayerNormalization", norm::rms_norm),
    ("SkipLayerNormalization", |cx| norm::skip_layer_norm(cx, true)),
    ("SkipSimplifiedLayerNormalization", |cx| norm::skip_layer_norm(cx, false)),
];

/// Operators that are known and have no meaning here.
const REFUSED: &[(&str, &str)] = &[
    ("NonMaxSuppression", "the shape of its result depends on data"),
    ("Unique", "the shape of its result depends on data"),
    ("Bernoulli", "it draws random numbers"),
    ("Multinomial", "it draws random numbers"),
    ("RandomNormal", "it draws random numbers"),
    ("RandomNormalLike", "it draws random numbers"),
    ("RandomUniform", "it draws random numbers"),
    ("RandomUniformLike", "it draws random numbers"),
    ("ImageDecoder", "files inside tensors have no integer meaning"),
    ("RegexFullMatch", "strings as data have no integer meaning"),
    ("StringConcat", "strings as data have no integer meaning"),
    ("StringNormalizer", "strings as data have no integer meaning"),
    ("StringSplit", "strings as data have no integer meaning"),
    ("TfIdfVectorizer", "strings as data have no integer meaning"),
];
