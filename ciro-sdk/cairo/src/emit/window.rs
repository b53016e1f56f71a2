//! Windows of convolutions: the inner axes of a kernel as one read of the operand.

use std::fmt::Write as _;

use super::slots::names;

/// The longest stretch of the operand that one window may span.
pub(super) const SPAN_MAX: usize = 512;

/// The offsets of a window's elements from its first one, increasing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Window {
    offsets: Vec<usize>,
}

impl Window {
    /// A window over the last axes of a kernel; `None` if it spans too much of the operand.
    ///
    /// `kernel`, `dilations` and `strides` (in elements of the operand) describe those axes,
    /// outermost first.
    pub(super) fn new(kernel: &[usize], dilations: &[usize], strides: &[usize]) -> Option<Self> {
        let mut offsets = vec![0];
        for ((&extent, &dilation), &stride) in kernel.iter().zip(dilations).zip(strides) {
            let taps = (0..extent).map(|tap| tap.checked_mul(dilation)?.checked_mul(stride));
            let taps = taps.collect::<Option<Vec<_>>>()?;
            offsets =
                offsets.iter().flat_map(|&at| taps.iter().map(move |&tap| at + tap)).collect();
        }
        let fits = offsets.last().is_some_and(|&last| last < SPAN_MAX);
        (fits && offsets.is_sorted_by(|a, b| a < b)).then_some(Self { offsets })
    }

    /// How many elements the window has.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Its size as a name; windows of other offsets may have the same.
    pub(super) fn name(&self) -> String {
        format!("Window{}In{}", self.len(), self.span())
    }

    fn span(&self) -> usize {
        self.offsets.last().map_or(0, |last| last + 1)
    }

    /// `impl {name} of Window`.
    pub(super) fn dot_impl(&self, name: &str) -> String {
        let (count, span) = (self.len(), self.span());
        let mut code =
            format!("/// {count} elements within {span}.\npub impl {name} of Window {{\n");
        code.push_str("    fn dot(x: Tensor, at: usize, ref w: Tensor) -> felt252 {\n");
        self.write_read(&mut code);
        let weights = wrap(&names("w", count));
        writeln!(
            code,
            "        let [\n{weights}        ] = (*w.multi_pop_front::<{count}>().unwrap()).unbox();"
        )
        .expect("writing to a string");
        let products: Vec<String> = (0..count).map(|i| format!("x{i} * w{i}")).collect();
        let products = products.chunks(8).map(|line| line.join(" + ")).collect::<Vec<_>>();
        writeln!(code, "        {}", products.join("\n            + "))
            .expect("writing to a string");
        code.push_str("    }\n}\n");
        code
    }

    /// Reads the window's elements into `x0, x1, ..`.
    fn write_read(&self, code: &mut String) {
        let mut elements = vec!["_".to_owned(); self.span()];
        for (index, &offset) in self.offsets.iter().enumerate() {
            elements[offset] = format!("x{index}");
        }
        let elements = wrap(&elements.join(", "));
        let span = self.span();
        writeln!(code, "        let stretch: @Box<[felt252; {span}]> = x.slice(at, {span}).try_into().unwrap();")
            .expect("writing to a string");
        writeln!(code, "        let [\n{elements}        ] = (*stretch).unbox();")
            .expect("writing to a string");
    }
}

/// Breaks a list into indented lines.
pub(super) fn wrap(list: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = String::new();
    let mut line = String::from("           ");
    for item in list.split(", ") {
        if line.len() + item.len() + 2 > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("           ");
        }
        line.push(' ');
        line.push_str(item);
        line.push(',');
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_axes_make_one_stretch() {
        let window = Window::new(&[2, 3], &[1, 2], &[10, 1]).unwrap();
        assert_eq!(window.offsets, [0, 2, 4, 10, 12, 14]);
        assert_eq!((window.len(), window.span()), (6, 15));
    }

    #[test]
    fn overlapping_or_long_windows_are_refused() {
        // Rows shorter than the window's reach would interleave.
        assert_eq!(Window::new(&[2, 3], &[1, 1], &[2, 1]), None);
        assert_eq!(Window::new(&[2], &[SPAN_MAX], &[1]), None);
    }
}
