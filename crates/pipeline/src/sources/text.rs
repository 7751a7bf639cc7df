//! Text of a JSON record, borrowed from it where it holds no escapes.

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::borrow::Cow;
use std::fmt;

/// Elements of a list or an object that are kept; the rest is read over.
const ELEMENTS_MAX: usize = 10_000;

/// A text, or a number or truth value as text: versions differ in what they quote.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            /// An HTTP version: 1.1, 2.0.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Text<'de>, E> {
                Ok(Text(match number {
                    1.1 => Cow::Borrowed("1.1"),
                    _ => Cow::Owned(format!("{number:.1}")),
                }))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// One text, or a list of texts of which each counts: the values of a header.
#[derive(Debug)]
struct Values<'a>(Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Values<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Values<'de>, E> {
                Ok(Values(vec![Text(Cow::Borrowed(text))]))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Values<'de>, E> {
                Ok(Values(vec![Text(Cow::Owned(text.to_owned()))]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values<'de>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    if values.len() < ELEMENTS_MAX {
                        values.push(value);
                    }
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Headers in their order; a name may occur more than once, as a key or with a list of values.
pub(super) type Pairs<'a> = Vec<(Text<'a>, Text<'a>)>;

/// Reads headers whose values are single texts.
pub(super) fn pairs<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'a>, D::Error> {
    struct Any;
    impl<'de> Visitor<'de> for Any {
        type Value = Pairs<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
            let mut pairs = Vec::with_capacity(16);
            while let Some(pair) = map.next_entry()? {
                if pairs.len() < ELEMENTS_MAX {
                    pairs.push(pair);
                }
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Any)
}

/// Reads headers whose values are lists of texts, or single texts.
pub(super) fn pairs_of_lists<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'a>, D::Error> {
    struct Any;
    impl<'de> Visitor<'de> for Any {
        type Value = Pairs<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of lists of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
            let mut pairs: Pairs<'de> = Vec::with_capacity(16);
            while let Some((name, Values(values))) = map.next_entry::<Text<'de>, Values<'de>>()? {
                let room = ELEMENTS_MAX.saturating_sub(pairs.len());
                pairs.extend(values.into_iter().take(room).map(|value| (name.clone(), value)));
            }
            Ok(pairs)
        }

        fn visit_unit<E: de::Error>(self) -> Result<Pairs<'de>, E> {
            Ok(Vec::new())
        }
    }
    deserializer.deserialize_any(Any)
}
