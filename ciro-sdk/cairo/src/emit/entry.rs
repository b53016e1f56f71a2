//! `src/lib.cairo`: the entry point and the sequence of layers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ciro_model::integer::Encoding;

use super::{EmitError, Emitter, Function, comment, kernels};

/// The function that takes an input and checks it.
fn taker(encoding: &Encoding) -> &'static str {
    match encoding {
        Encoding::Ordered => "take_limbs",
        Encoding::OrderedOrMissing => "take_limbs_or_missing",
        _ => "take_checked",
    }
}

impl Emitter<'_> {
    /// `src/lib.cairo`: the entry point and the sequence of layers.
    pub(super) fn lib(&self, name: &str, functions: &[Function]) -> Result<String, EmitError> {
        let committed = !self.opens.is_empty();
        let mut code =
            format!("//! `{name}`, an integer model as a Cairo program. Written by Ciro.\n\n");
        code.push_str("mod data;\nmod layers;\n");
        if self.layouts.names().next().is_some() {
            code.push_str("mod layouts;\n");
        }
        code.push_str("mod ops;\n\n");
        code.push_str("use crate::data::*;\n");
        if committed {
            code.push_str("use crate::layouts::*;\n");
        }
        let takes: BTreeSet<&str> =
            self.model.input_nodes().map(|(_, encoding)| taker(encoding)).collect();
        code.push_str("use crate::ops::Tensor;\n");
        if !takes.is_empty() {
            code.push_str(&kernels::import("range", &takes));
        }
        code.push_str("use crate::ops::statement::{Statement, state};\n");
        if committed {
            let mut openers: BTreeSet<&str> = BTreeSet::new();
            openers.extend(self.opens.values().filter_map(|open| open.split([':', '(']).next()));
            code.push_str(&kernels::import("weights", &openers));
        }
        let arguments = if committed { ", arguments: Tensor" } else { "" };
        let pass = if committed { ", arguments" } else { "" };
        code.push_str(
            "\n/// Proves that the model maps `input` to the output that it states.\n///\n",
        );
        code.push_str(
            "/// Under a `blinding` value the input is not stated itself, only a commitment to it.",
        );
        if committed {
            code.push_str(
                " `arguments` are the\n/// weights of `weights.json`; the program checks them.",
            );
        }
        writeln!(
            code,
            "\n#[executable]\nfn main(input: Tensor, blinding: Option<felt252>{arguments}) -> Statement {{\n    \
             state(IDENTITY, input, blinding, predict(input{pass}))\n}}\n"
        )
        .expect("writing to a string");
        let predict = self.predict(functions);
        check_variables(&predict)?;
        Ok(code + &predict)
    }

    fn predict(&self, functions: &[Function]) -> String {
        let arguments = if self.opens.is_empty() { "" } else { ", mut arguments: Tensor" };
        let mut code =
            String::from("/// Runs the model: checks the input, then calls layer after layer.\n");
        writeln!(code, "fn predict(mut input: Tensor{arguments}) -> Tensor {{")
            .expect("writing to a string");
        for (id, encoding) in self.model.input_nodes() {
            let node = self.model.node(id);
            let (name, interval) = (comment(&node.name), node.interval);
            writeln!(code, "    // `{name}`: {:?}, values in {interval}.", node.shape)
                .expect("writing to a string");
            let taker = taker(encoding);
            let taken = if encoding.has_limbs() {
                format!("{taker}(ref input, {})", node.len() / 2)
            } else {
                let (count, width) = (node.len(), interval.width());
                format!("{taker}(ref input, {count}, {}, {width})", interval.lo)
            };
            writeln!(code, "    let {} = {taken};", self.names.of(id))
                .expect("writing to a string");
        }
        code.push_str("    assert(input.is_empty(), 'input is too long');\n");
        for (usage, open) in &self.opens {
            let name = &self.weights.block(*usage).name;
            writeln!(code, "    let {name} = {open};").expect("writing to a string");
        }
        for function in functions {
            writeln!(code, "    {}", function.call).expect("writing to a string");
        }
        let outputs: Vec<&str> =
            self.model.outputs().iter().map(|output| self.names.of(output.node)).collect();
        match outputs[..] {
            [output] => writeln!(code, "    {output}\n}}").expect("writing to a string"),
            _ => {
                code.push_str("    let mut output = array![];\n");
                for output in outputs {
                    writeln!(code, "    output.append_span({output});")
                        .expect("writing to a string");
                }
                code.push_str("    output.span()\n}\n");
            }
        }
        code
    }
}

/// Checks that a function binds no variable twice: Cairo lets the second one take the first one's
/// place without a word.
///
/// Names are claimed before they are used, so this finds mistakes of this crate. It reads what was
/// written, whoever wrote it.
fn check_variables(code: &str) -> Result<(), EmitError> {
    let mut bound = BTreeSet::new();
    for line in code.lines() {
        let mut words = line.trim_start().split([' ', ':', ',', '(']).filter(|word| *word != "mut");
        let names: Vec<&str> = match words.next() {
            Some("let") => words.next().into_iter().collect(),
            // The parameters: every word before a colon.
            Some("fn") => line.split(':').rev().skip(1).filter_map(last_word).collect(),
            _ => continue,
        };
        for name in names {
            if !bound.insert(name) {
                return Err(EmitError::Ambiguous { name: name.to_owned() });
            }
        }
    }
    Ok(())
}

fn last_word(text: &str) -> Option<&str> {
    text.rsplit([' ', '(']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_hide_others_are_found() {
        let head = "fn predict(mut input: Tensor, mut arguments: Tensor) -> Tensor {\n";
        let check = |lines: &str| check_variables(&format!("{head}{lines}}}\n"));
        assert_eq!(check("    let x_2 = layers::fc(x, y);\n    let fc = 1;\n"), Ok(()));
        let twice = |name: &str| Err(EmitError::Ambiguous { name: name.to_owned() });
        assert_eq!(check("    let fc_weight = 1;\n    let fc_weight = 2;\n"), twice("fc_weight"));
        assert_eq!(check("    let mut arguments = array![];\n"), twice("arguments"));
    }
}
