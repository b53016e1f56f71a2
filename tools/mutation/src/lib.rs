//! Rules that a crate's own tests leave out one at a time: a test of random runs must miss each.
//!
//! The rules are an enum; whoever keeps one asks `Rule::chosen`. Only in the tests of the crate
//! that names them can a rule be left out: everywhere else the answer is the constant `false`.

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
            #[expect(clippy::unused_self, reason = "tests look at it")]
            $vis const fn chosen(self) -> bool {
                false
            }
        }
    };
}
