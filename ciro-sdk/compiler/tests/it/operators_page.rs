//! `docs/operators.md` is made from the registry and the manifest of ONNX's suite.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ciro_compiler::import::{OnnxOperator, operators};

use crate::conformance::manifest;

const HEAD: &str = "\
# Operators

Made from the tables in `ciro-sdk/compiler/src/import/ops` and from the manifest of ONNX's conformance
suite; `CIRO_BLESS=1 cargo test --workspace --test it operators` writes it anew. [How an operator is
added](adding-an-operator.md).

- **since**: the version of the operator set that brought the operator. Later versions are read as ONNX
  defines them, earlier ones where they differ.
- **family**: the file of its translation, below `ciro-sdk/compiler/src/import/ops`.
- **import**, **integer model**: how many of the suite's cases for this operator alone the float graph
  and the integer model compute: the float graph within the case's tolerance, the integer model within
  2 % of the output's spread, whole numbers exactly. Cases that the import gets right and that leave
  nothing to compute (all inputs are shapes or parameters) count as right. A dash: the suite has none.

Every operator becomes operators of the integer model, all of which both routes prove, the tensor route
and the Cairo route. `ciro check MODEL` says for a model what it costs on each, and names the node where
one refuses it.
";

#[test]
fn the_page_of_operators_is_that_of_the_registry() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
    let expected = render();
    if std::env::var_os("CIRO_BLESS").is_some() {
        std::fs::write(&page, &expected).unwrap();
    }
    let text = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(text == expected, "docs/operators.md is not current; write it with `CIRO_BLESS=1`");
}

fn render() -> String {
    let cases = cases();
    let mut all: Vec<OnnxOperator> = operators().collect();
    all.sort_by_key(|operator| (operator.domain, operator.name.to_lowercase()));
    let mut text = HEAD.to_owned();
    let mut domain = None;
    for operator in &all {
        if domain != Some(operator.domain) {
            let count = all.iter().filter(|other| other.domain == operator.domain).count();
            let title = if operator.domain.is_empty() { "ai.onnx" } else { operator.domain };
            write!(text, "\n## `{title}`: {count}\n\n").unwrap();
            text +=
                "| operator | since | family | import | integer model |\n|---|--:|---|--:|--:|\n";
            domain = Some(operator.domain);
        }
        let [import, integer] = match cases.get(&operator.qualified()) {
            Some(cases) => {
                [cases.import, cases.integer].map(|right| format!("{right} / {}", cases.all))
            }
            None => ["–", "–"].map(str::to_owned),
        };
        let OnnxOperator { name, since, family, .. } = operator;
        writeln!(text, "| `{name}` | {since} | `{family}` | {import} | {integer} |").unwrap();
    }
    text
}

#[derive(Default)]
struct Cases {
    all: usize,
    import: usize,
    integer: usize,
}

/// The cases of models that are one operator alone.
fn cases() -> BTreeMap<String, Cases> {
    let mut cases: BTreeMap<String, Cases> = BTreeMap::new();
    let text = std::fs::read_to_string(manifest()).unwrap();
    for line in text.lines().filter(|line| line.starts_with("node/")) {
        let &[_, operators, import, integer] = line.split(' ').collect::<Vec<_>>().as_slice()
        else {
            panic!("a line of the manifest has four words: {line}");
        };
        if operators.contains(',') || line.contains("_expanded") {
            continue;
        }
        let of = cases.entry(operators.to_owned()).or_default();
        of.all += 1;
        of.import += usize::from(import == "right");
        of.integer += usize::from(matches!(integer, "right" | "constant"));
    }
    cases
}
