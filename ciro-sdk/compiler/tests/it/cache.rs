//! Decoders whose rows fill their cache up to places of their own, `GroupQueryAttention`.

use ciro_compiler::import::Reason;
use ciro_model::Tensor;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;

use crate::contrib::{close, contrib, floats, import, ints, model_of, tensor};
use crate::operators::Builder;
use crate::refusal::{Model, info};

const WIDTH: usize = 16;

/// Attention of two heads that share one of keys, with a cache.
#[derive(Clone, Copy)]
struct Decoder {
    rows: usize,
    length: usize,
    places: usize,
    /// The number of places that the model is told.
    total: usize,
    rotary: bool,
    window: i64,
}

fn extent(dim: usize) -> i64 {
    i64::try_from(dim).unwrap()
}

impl Decoder {
    /// The shapes of query, key, value, cached keys and cached values.
    fn shapes(self) -> [Vec<usize>; 5] {
        let new = |heads: usize| vec![self.rows, self.length, heads * WIDTH];
        let cache = || vec![self.rows, 1, self.places, WIDTH];
        [new(2), new(1), new(1), cache(), cache()]
    }

    /// The model, in which the last place of each row is an input.
    fn model(self) -> Model {
        let names = ["q", "k", "v", "pk", "pv"];
        let dims = self.shapes().map(|shape| shape.into_iter().map(extent).collect::<Vec<_>>());
        let inputs: Vec<_> = names
            .into_iter()
            .zip(&dims)
            .map(|(name, dims)| (name, DataType::Float, &dims[..]))
            .collect();
        let rotary = i64::from(self.rotary);
        let mut inputs_of = "q k v pk pv last total".to_owned();
        inputs_of.push_str(if self.rotary { " cos sin" } else { "" });
        let attributes = [
            ("num_heads", 2),
            ("kv_num_heads", 1),
            ("do_rotary", rotary),
            ("local_window_size", self.window),
        ];
        let mut model = model_of(&inputs)
            .weights(ints("total", &[1], &[i32::try_from(self.total).unwrap()]))
            .weights(angles("cos", f64::cos))
            .weights(angles("sin", f64::sin))
            .node(contrib("GroupQueryAttention", &inputs_of, "y nk nv", &attributes));
        let rows = vec![Dim::DimValue(extent(self.rows))];
        model.graph().input.push(info("last", DataType::Int32, rows));
        for output in ["nk", "nv"] {
            model.graph().output.push(info(output, DataType::Float, vec![]));
        }
        model
    }

    /// The outputs `y`, `nk` and `nv` on waves.
    fn eval(self, last: &[f64]) -> Vec<Tensor<f64>> {
        let phases = [0.0, 1.0, 2.0, 3.0, 4.0];
        let waves = self.shapes().into_iter().zip(phases).map(|(shape, phase)| wave(&shape, phase));
        let sample: Vec<_> = waves.chain([tensor(&[last.len()], last)]).collect();
        let graph = import(&self.model()).unwrap();
        let values = graph.eval(&sample).unwrap();
        graph.outputs.iter().map(|output| values[output.node.index()].clone()).collect()
    }
}

fn angles(name: &str, f: fn(f64) -> f64) -> TensorProto {
    #[expect(clippy::cast_possible_truncation, reason = "weights are float32")]
    let at = |i: usize| f((i / 8) as f64 * 0.3 * (1.0 + (i % 8) as f64)) as f32;
    floats(name, &[8, 8], &(0..64).map(at).collect::<Vec<f32>>())
}

fn wave(shape: &[usize], phase: f64) -> Tensor<f64> {
    let at = |i: usize| 1.5 * (phase + 0.9 * i as f64).sin();
    tensor(shape, &(0..shape.iter().product()).map(at).collect::<Vec<f64>>())
}

/// The first elements of `y` of the first place of all and of the last one, and the first feature
/// of every place of the last row of `nk`.
#[track_caller]
fn check(decoder: Decoder, last: &[f64], first: [f64; 4], end: [f64; 4], keys: &[f64]) {
    let outputs = decoder.eval(last);
    let y = outputs[0].data();
    close(&y[..4], &first, 2e-6);
    close(&y[y.len() - 2 * WIDTH..][..4], &end, 2e-6);
    let cached = outputs[1].data();
    let own = &cached[cached.len() - keys.len() * WIDTH..];
    close(&own.iter().copied().step_by(WIDTH).collect::<Vec<f64>>(), keys, 2e-6);
}

const DECODER: Decoder =
    Decoder { rows: 2, length: 1, places: 3, total: 4, rotary: false, window: -1 };

/// The expected values are those of onnxruntime 1.32.
#[test]
fn rows_fill_a_cache_up_to_places_of_their_own() {
    check(
        DECODER,
        &[3.0, 1.0],
        [1.417_376, 0.989_968, -0.186_628, -1.221_987],
        [-0.900_877, -1.482_494, -0.942_188, 0.311_146],
        &[1.196_928, 0.454_678, 0.0, 0.0],
    );
    check(
        Decoder { rotary: true, window: 2, ..DECODER },
        &[3.0, 1.0],
        [1.372_951, 0.422_363, -0.847_861, -1.476_44],
        [-0.534_253, -1.370_661, -1.169_78, -0.083_633],
        &[1.196_928, 0.687_893, 0.0, 0.0],
    );
}

#[test]
fn several_new_places_follow_what_a_row_fills() {
    check(
        Decoder { rows: 1, length: 2, total: 5, rotary: true, window: 2, ..DECODER },
        &[3.0],
        [1.222_163, 0.379_565, -0.750_28, -1.312_329],
        [-0.779_431, -1.357_352, -0.908_056, 0.228_438],
        &[0.211_68, -1.488_989, 0.244_979, 0.954_639, 0.0],
    );
}

#[test]
fn a_first_prompt_reads_nothing_of_a_cache_that_is_there_already() {
    check(
        Decoder { length: 2, total: 2, ..DECODER },
        &[1.0, 0.0],
        [1.363_946, 0.358_874, -0.917_787, -1.499_885],
        [-0.866_573, 0.420_402, 1.389_225, 1.306_71],
        &[-1.498_473, 0.323_981, 0.0],
    );
}

/// What a mask of ones says of a row that fills its cache is what a constant says.
#[test]
fn rows_that_fill_their_cache_are_as_if_they_were_known_to() {
    for rotary in [false, true] {
        let decoder = Decoder { rotary, ..DECODER };
        let mut known = decoder.model();
        known.graph().input.retain(|input| input.name != "last");
        let graph = import(&known.weights(ints("last", &[2], &[3, 3]))).unwrap();
        let phases = [0.0, 1.0, 2.0, 3.0, 4.0];
        let waves =
            decoder.shapes().into_iter().zip(phases).map(|(shape, phase)| wave(&shape, phase));
        let values = graph.eval(&waves.collect::<Vec<_>>()).unwrap();
        for (got, output) in decoder.eval(&[3.0, 3.0]).iter().zip(&graph.outputs) {
            close(got.data(), values[output.node.index()].data(), 1e-12);
        }
    }
}

#[test]
fn how_many_places_there_are_is_known() {
    let mut computed = DECODER.model();
    computed.graph().initializer.remove(0);
    computed.graph().input.push(info("total", DataType::Int32, vec![Dim::DimValue(1)]));
    let what = "`total_sequence_length`".to_owned();
    computed.refuses("n", "com.microsoft.GroupQueryAttention", &Reason::DataDependent { what });
    let beyond = Decoder { total: 5, ..DECODER }.model().refused();
    assert!(beyond[0].reason.to_string().contains("at most that of the cache's"), "{beyond:?}");
}

#[test]
fn caches_of_rows_of_their_own_have_an_integer_form() {
    for decoder in [DECODER, Decoder { rows: 1, length: 2, total: 3, rotary: true, ..DECODER }] {
        let sample = |seed: u32| {
            let waves = decoder.shapes().into_iter().zip(0u32..);
            let waves = waves.map(|(shape, at)| wave(&shape, f64::from(seed * 5 + at) * 1.7));
            // Every row fills as many places as it may.
            let last = (0..decoder.rows).map(|row| (seed as usize + row) % decoder.places.min(2));
            let last: Vec<f64> = last.map(|filled| (filled + decoder.length - 1) as f64).collect();
            waves.chain([tensor(&[decoder.rows], &last)]).collect()
        };
        let graph = import(&decoder.model()).unwrap();
        Builder { graph, samples: (0..16).map(sample).collect() }.check(2e-2).unwrap();
    }
}
