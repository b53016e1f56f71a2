//! Rules that tests leave out one at a time: a test of random runs must miss each.
//!
//! The rules are an enum; whoever keeps one asks `Rule::chosen`. The tests of the crate that names
//! them leave a rule out on their thread. Tests of whole processes leave one out by its name in the
//! variable [`VARIABLE`], in programs that were built with the feature `processes`: only the
//! packages' tests ask for it, and a release with it does not compile. Everywhere else the answer
//! is the constant `false`.

#[cfg(all(feature = "processes", not(debug_assertions)))]
compile_error!("the feature `processes` lets rules be left out; it must not be part of a release");

/// The variable that names the rule that a process leaves out.
pub const VARIABLE: &str = "CIRO_MUTATION";

/// Returns the rule that this process leaves out.
#[cfg(feature = "processes")]
#[must_use]
pub fn left_out() -> Option<&'static str> {
    static CHOSEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var(VARIABLE).ok());
    CHOSEN.as_deref()
}

/// Returns the rule that this process leaves out: none, in this build.
#[cfg(not(feature = "processes"))]
#[must_use]
pub const fn left_out() -> Option<&'static str> {
    None
}

/// Declares the rules of a crate that its tests leave out.
///
/// The enum has `chosen`, whether a rule is left out on this thread, and in the crate's own tests
/// `ALL` and `during`, which leaves a rule out while something runs.
///
/// ```
/// ciro_mutation::mutations! {
///     /// A rule that is left out.
///     pub(crate) enum Mutation {
///         /// Attempts are not counted.
///         EndlessAttempts,
///     }
/// }
///
/// assert!(!Mutation::EndlessAttempts.chosen());
/// ```
#[macro_export]
macro_rules! mutations {
    (
        $(#[$doc:meta])*
        $vis:vis enum $Mutation:ident { $($(#[$rule_doc:meta])* $Rule:ident,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $Mutation { $($(#[$rule_doc])* $Rule,)+ }

        #[cfg(test)]
        ::std::thread_local! {
            static CHOSEN: ::std::cell::Cell<::std::option::Option<$Mutation>> =
                const { ::std::cell::Cell::new(::std::option::Option::None) };
        }

        #[cfg(test)]
        impl $Mutation {
            $vis const ALL: [Self; [$(stringify!($Rule)),+].len()] = [$(Self::$Rule),+];

            /// Leaves the rule out while `run` runs on this thread.
            $vis fn during<T>(self, run: impl ::std::ops::FnOnce() -> T) -> T {
                CHOSEN.set(::std::option::Option::Some(self));
                let result = run();
                CHOSEN.set(::std::option::Option::None);
                result
            }

            $vis fn chosen(self) -> bool {
                CHOSEN.get() == ::std::option::Option::Some(self)
            }
        }

        #[cfg(not(test))]
        impl $Mutation {
            $vis fn chosen(self) -> bool {
                $crate::left_out().is_some_and(|rule| match self {
                    $(Self::$Rule => rule == stringify!($Rule),)+
                })
            }
        }
    };
}
