//! Development only.
use ciro_graph::integer::Op;
use ciro_graph::quantize::{Settings, accuracy, calibrate, quantize};

#[test]
#[ignore]
fn dump() {
    for model in std::env::var("MODEL").unwrap().split(',') {
        let graph = crate::quantized::import(model);
        let samples = crate::quantized::inputs(model, &graph, 4);
        let calibration = calibrate(&graph, &samples).unwrap();
        if std::env::var("GRAPH").is_ok() {
            for (id, node) in graph.iter() {
                let op: String = format!("{:?}", node.op).chars().take(90).collect();
                let r = calibration.ranges[id.index()];
                println!(
                    "F {} {} {:?} {:?} <- {:?} [{:.3},{:.3}]",
                    id.0,
                    node.name,
                    op,
                    node.shape,
                    node.operands.iter().map(|o| o.0).collect::<Vec<_>>(),
                    r.lo,
                    r.hi
                );
            }
        }
        let integer = match quantize(&graph, &calibration, &Settings::default()) {
            Ok(i) => i,
            Err(e) => {
                println!("{model}: {e:?}");
                continue;
            }
        };
        println!(
            "=== {model}: {} nodes, macs {}, parameters {}, bytes of constants {}",
            integer.nodes().len(),
            integer.macs(),
            integer.parameters(),
            integer.constants().iter().map(|(_, c)| c.len()).sum::<usize>()
        );
        let mut sum = std::collections::BTreeMap::<&str, (usize, usize)>::new();
        for (id, node) in integer.iter() {
            let name = node.op.operator().name();
            let e = sum.entry(name).or_default();
            e.0 += 1;
            e.1 += node.len();
            if std::env::var("NODES").is_ok() {
                let q = match &node.op {
                    Op::Requantize(r) => {
                        let q = r.quotient(integer.node(node.operands[0]).interval);
                        format!(
                            "shift {} [{},{}] quotient {} = 2^{:.1}",
                            r.shift,
                            r.lo,
                            r.hi,
                            q,
                            (q.width() as f64).log2()
                        )
                    }
                    Op::Lookup(r) => {
                        let q = r.quotient(integer.node(node.operands[0]).interval);
                        format!(
                            "shift {} quotient {} = 2^{:.1}",
                            r.shift,
                            q,
                            (q.width() as f64).log2()
                        )
                    }
                    Op::Combine(c) => format!("{:?} + {}", c.coefficients, c.constant),
                    Op::Linear(l) => {
                        let w = &integer.constants().iter().nth(l.weight.0 as usize).unwrap().1;
                        format!(
                            "w {:?} max {}",
                            w.shape(),
                            w.data().iter().map(|v| v.abs()).max().unwrap()
                        )
                    }
                    Op::Conv(l) => {
                        let w = &integer.constants().iter().nth(l.weight.0 as usize).unwrap().1;
                        format!(
                            "w {:?} max {}",
                            w.shape(),
                            w.data().iter().map(|v| v.abs()).max().unwrap()
                        )
                    }
                    _ => String::new(),
                };
                println!(
                    "{:4} {:10} {:40} {:?} {} 2^{:.1} s=2^{:.2} <- {:?} {}",
                    id.0,
                    name,
                    node.name,
                    node.shape,
                    node.interval,
                    (node.interval.width() as f64).log2(),
                    node.scale.log2(),
                    node.operands.iter().map(|o| o.0).collect::<Vec<_>>(),
                    q
                );
            }
        }
        println!("{sum:?}");
        println!("{}", accuracy(&graph, &integer, &samples).unwrap());
    }
}
