//! What may be chosen when a model is quantized.

/// How finely a model is quantized.
///
/// A proof costs a fixed amount for every entry of a table and for every limb of a remainder, so
/// widths are counted in bits of an interval: 12 bits are an interval of 4096 integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Bits of the interval of an activation. Default 12, valid 4 to 16. More bits make regressors
    /// and deep networks more accurate and proofs slower. Factors of products have 14 bits or more
    /// where they are few.
    pub activation_bits: u32,
    /// Bits of an input's interval, headroom included. Default `None`: 14 where a row has at most
    /// 64 elements, else 12. Valid 4 to 20. Raise it where small differences of large inputs
    /// decide.
    pub input_bits: Option<u32>,
    /// Bits of the interval of an output that has to be rounded at all. Default 16, valid 4 to 20.
    pub output_bits: u32,
    /// Bits of the part of a function's domain that was seen at calibration. Default 12, valid 4 to
    /// 16: the table has up to four times as many entries where that saves a rounding.
    pub table_bits: u32,
    /// How far a tensor may leave the range seen at calibration before it is clamped, as a part of
    /// the range's width, on each side. Default 0.25, at least 0.
    pub margin: f64,
    /// The same for inputs. Default 0.5, at least 0.
    pub input_headroom: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            activation_bits: 12,
            input_bits: None,
            output_bits: 16,
            table_bits: 12,
            margin: 0.25,
            input_headroom: 0.5,
        }
    }
}

impl Settings {
    /// Names the first setting that is out of its range.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let bits = |bits: u32, most: u32| (4..=most).contains(&bits);
        let share = |x: f64| x.is_finite() && x >= 0.0;
        match self {
            _ if !bits(self.activation_bits, 16) => Err("`activation_bits` is between 4 and 16"),
            _ if !self.input_bits.is_none_or(|b| bits(b, 20)) => {
                Err("`input_bits` is between 4 and 20")
            }
            _ if !bits(self.output_bits, 20) => Err("`output_bits` is between 4 and 20"),
            _ if !bits(self.table_bits, 16) => Err("`table_bits` is between 4 and 16"),
            _ if !share(self.margin) => Err("`margin` is a number from 0"),
            _ if !share(self.input_headroom) => Err("`input_headroom` is a number from 0"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        assert_eq!(Settings::default().check(), Ok(()));
        let wrong = [
            Settings { activation_bits: 17, ..Settings::default() },
            Settings { input_bits: Some(3), ..Settings::default() },
            Settings { output_bits: 21, ..Settings::default() },
            Settings { table_bits: 0, ..Settings::default() },
            Settings { margin: -0.1, ..Settings::default() },
            Settings { input_headroom: f64::NAN, ..Settings::default() },
        ];
        let names: Vec<_> = wrong.iter().map(|s| s.check().unwrap_err()).collect();
        assert_eq!(names.len(), 6);
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
