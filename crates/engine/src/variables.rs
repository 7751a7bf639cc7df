//! Where each SecLang variable has its values.

use parapet_seclang::ast::{PersistentCollection, Variable, WritableCollection};

use crate::prefilter::pass::lower;

/// Named lists of values within a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Collection {
    ArgsGet,
    ArgsPost,
    RequestHeaders,
    RequestCookies,
    Files,
    FilesSizes,
    FilesTmpContent,
    FilesTmpNames,
    MultipartFilename,
    MultipartName,
    MultipartPartHeaders,
    ResponseHeaders,
    XmlText,
    XmlAttributes,
    /// Nodes that XPath expressions of rules find, by the expression.
    XmlNodes,
    ResponseArgs,
    ResponseXmlText,
    ResponseXmlAttributes,
    ArgsPath,
    Env,
    Geo,
}

impl Collection {
    /// How many there are.
    pub(crate) const COUNT: usize = 21;
}

/// Whether a variable is about the values of a collection or about the names in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Values,
    Names,
}

/// Where the values of a variable are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// One value, set by the transaction.
    Scalar(Variable),
    /// Members of collections, in this order.
    Items(&'static [Collection], Part),
    /// `TX`.
    Tx,
    /// A collection that outlives the transaction.
    Persistent(PersistentCollection),
    /// What the current rule matched: the last value, its name, all values, all names.
    MatchedVar,
    MatchedVarName,
    MatchedVars,
    MatchedVarsNames,
    /// Worked out when asked for.
    Computed(Variable),
    /// `RULE`: properties of the current rule.
    Rule,
}

impl Source {
    /// Where the values of a variable are. `XML` is found by its XPath, not here.
    pub(crate) fn of(variable: Variable) -> Source {
        use Collection as C;
        use Variable as V;
        match variable {
            V::Args => Source::Items(&[C::ArgsGet, C::ArgsPost], Part::Values),
            V::ArgsNames => Source::Items(&[C::ArgsGet, C::ArgsPost], Part::Names),
            V::ArgsGet => Source::Items(&[C::ArgsGet], Part::Values),
            V::ArgsGetNames => Source::Items(&[C::ArgsGet], Part::Names),
            V::ArgsPost => Source::Items(&[C::ArgsPost], Part::Values),
            V::ArgsPostNames => Source::Items(&[C::ArgsPost], Part::Names),
            V::RequestHeaders => Source::Items(&[C::RequestHeaders], Part::Values),
            V::RequestHeadersNames => Source::Items(&[C::RequestHeaders], Part::Names),
            V::RequestCookies => Source::Items(&[C::RequestCookies], Part::Values),
            V::RequestCookiesNames => Source::Items(&[C::RequestCookies], Part::Names),
            V::ResponseHeaders => Source::Items(&[C::ResponseHeaders], Part::Values),
            V::ResponseHeadersNames => Source::Items(&[C::ResponseHeaders], Part::Names),
            V::Files => Source::Items(&[C::Files], Part::Values),
            V::FilesNames => Source::Items(&[C::Files], Part::Names),
            V::FilesSizes => Source::Items(&[C::FilesSizes], Part::Values),
            V::FilesTmpContent => Source::Items(&[C::FilesTmpContent], Part::Values),
            V::FilesTmpNames => Source::Items(&[C::FilesTmpNames], Part::Values),
            V::MultipartFilename => Source::Items(&[C::MultipartFilename], Part::Values),
            V::MultipartName => Source::Items(&[C::MultipartName], Part::Values),
            V::MultipartPartHeaders => Source::Items(&[C::MultipartPartHeaders], Part::Values),
            V::Xml => Source::Items(&[C::XmlText], Part::Values),
            V::Env => Source::Items(&[C::Env], Part::Values),
            V::Geo => Source::Items(&[C::Geo], Part::Values),
            V::ArgsPath => Source::Items(&[C::ArgsPath], Part::Values),
            V::ResponseArgs => Source::Items(&[C::ResponseArgs], Part::Values),
            V::ResponseXml => Source::Items(&[C::ResponseXmlText], Part::Values),
            V::Tx => Source::Tx,
            V::Ip => Source::Persistent(PersistentCollection::Ip),
            V::Session => Source::Persistent(PersistentCollection::Session),
            V::User => Source::Persistent(PersistentCollection::User),
            V::Global => Source::Persistent(PersistentCollection::Global),
            V::Resource => Source::Persistent(PersistentCollection::Resource),
            V::MatchedVar => Source::MatchedVar,
            V::MatchedVarName => Source::MatchedVarName,
            V::MatchedVars => Source::MatchedVars,
            V::MatchedVarsNames => Source::MatchedVarsNames,
            V::Duration
            | V::FullRequest
            | V::FullRequestLength
            | V::HighestSeverity
            | V::ModsecBuild
            | V::Time
            | V::TimeDay
            | V::TimeEpoch
            | V::TimeHour
            | V::TimeMin
            | V::TimeMon
            | V::TimeSec
            | V::TimeWday
            | V::TimeYear => Source::Computed(variable),
            V::Rule => Source::Rule,
            other => Source::Scalar(other),
        }
    }

    /// Whether the values come from the request or response and stay as they are while a phase runs,
    /// so that what they open in the prefilter can be worked out before the phase.
    pub(crate) fn is_steady(self) -> bool {
        match self {
            Source::Scalar(variable) => !matches!(
                variable,
                Variable::ReqbodyProcessor
                    | Variable::SessionId
                    | Variable::UserId
                    | Variable::MscPcreError
                    | Variable::MscPcreLimitsExceeded
                    | Variable::ResBodyProcessor
            ),
            Source::Items(collections, _) => !collections
                .iter()
                .any(|collection| matches!(collection, Collection::Env | Collection::Geo | Collection::ArgsPath)),
            _ => false,
        }
    }
}

/// The persistent collection of a writable one; `None` for `TX`.
pub(crate) fn persistent(collection: WritableCollection) -> Option<PersistentCollection> {
    Some(match collection {
        WritableCollection::Tx => return None,
        WritableCollection::Ip => PersistentCollection::Ip,
        WritableCollection::Session => PersistentCollection::Session,
        WritableCollection::User => PersistentCollection::User,
        WritableCollection::Global => PersistentCollection::Global,
        WritableCollection::Resource => PersistentCollection::Resource,
    })
}

/// Hash of a name without regard to the case of ASCII letters.
pub(crate) fn key_hash(name: &[u8]) -> u32 {
    let mix = |hash: u64, word: u64| (hash ^ lower(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = name.as_chunks::<8>();
    let hash = words.iter().fold(name.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let last = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let hash = mix(hash, last);
    (hash ^ hash >> 32) as u32
}
