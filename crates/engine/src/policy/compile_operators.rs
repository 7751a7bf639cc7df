//! Operators of rules and files of settings, compiled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_seclang::ast::{self, OperatorKind, Setting};
use parapet_seclang::{Loader, Warning};
use sha2::Digest;

use super::compile::{Compiler, Walked};
use super::template::Template;
use crate::operators::{
    Checksum, FuzzyHash, GeoLookup, IpMatch, Lookup, Number, Operator, Pm, Rbl, RestPath, Text, ValidateByteRange,
    fuzzy_hash, validate_nid,
};
use crate::prefilter::Need;
use crate::transformations::UnicodeMap;

impl Compiler<'_> {
    /// Reads the file that a setting names, if it names one.
    pub(super) fn setting_file(
        &mut self,
        span: ast::Span,
        setting: &Setting,
        walked: &mut Walked,
    ) -> Result<(), String> {
        match setting {
            Setting::GeoLookupDb(path) => {
                let (_, content) = self.data_file(span, path.as_os_str().as_encoded_bytes())?;
                self.geo = Some(Arc::new(GeoLookup::open(content)?));
            }
            Setting::UnicodeMapFile { path, code_page } => {
                let (_, content) = self.data_file(span, path.as_os_str().as_encoded_bytes())?;
                walked.unicode_map = Some(Arc::new(UnicodeMap::read(&content, *code_page)?));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn operator(
        &mut self,
        operator: &ast::Operator,
        argument: &Template,
    ) -> Result<(Operator, Need), String> {
        let text = operator.argument.as_slice();
        let plain = argument.plain().is_some();
        let compiled = match operator.kind {
            OperatorKind::Rx if !plain => Operator::RxMacro,
            OperatorKind::Rx => return self.pattern(text).map(|(rx, need)| (Operator::Rx(rx), need)),
            OperatorKind::RxGlobal => return self.pattern(text).map(|(rx, need)| (Operator::RxGlobal(rx), need)),
            OperatorKind::Pm => return self.phrases(text, |_| Pm::compile(text)),
            OperatorKind::PmFromFile => {
                let file = self.data_file(operator.span, text)?;
                return self.phrases(&file.0, |_| Pm::compile_file(&file.1));
            }
            OperatorKind::IpMatch => Operator::IpMatch(Arc::new(IpMatch::compile(text)?)),
            OperatorKind::IpMatchFromFile => {
                let (_, content) = self.data_file(operator.span, text)?;
                Operator::IpMatch(Arc::new(IpMatch::compile_file(&content)?))
            }
            OperatorKind::ValidateByteRange => Operator::ValidateByteRange(Box::new(ValidateByteRange::compile(text)?)),
            OperatorKind::ValidateUrlEncoding => Operator::ValidateUrlEncoding,
            OperatorKind::ValidateUtf8Encoding => Operator::ValidateUtf8Encoding,
            OperatorKind::DetectSqli => Operator::DetectSqli,
            OperatorKind::DetectXss => Operator::DetectXss,
            OperatorKind::UnconditionalMatch => Operator::Always,
            OperatorKind::NoMatch => Operator::Never,
            OperatorKind::GeoLookup => match self.geo.clone() {
                Some(database) => Operator::Lookup(Lookup::Geo(database)),
                None => self.idle(operator.span, "@geoLookup matches nothing without a database: add SecGeoLookupDb"),
            },
            OperatorKind::Rbl => match Rbl::compile(text, self.http_bl_key.as_deref())? {
                Some(list) => Operator::Lookup(Lookup::Rbl(list)),
                None => self.idle(operator.span, "this @rbl matches nothing without a key: add SecHttpBlKey"),
            },
            OperatorKind::RestPath => Operator::Lookup(Lookup::RestPath(Box::new(RestPath::compile(text)?))),
            OperatorKind::InspectFile => Operator::Lookup(Lookup::Script(self.script(operator.span, text)?)),
            OperatorKind::FuzzyHash => {
                let (file, threshold) = fuzzy_hash::parse(text)?;
                let (_, content) = self.data_file(operator.span, file)?;
                Operator::FuzzyHash(Arc::new(FuzzyHash::compile(&content, threshold)?))
            }
            OperatorKind::ValidateNid => {
                let (checksum, pattern) = validate_nid::parse(text)?;
                Operator::Verify(checksum, self.pattern(pattern)?.0)
            }
            kind => match (Text::of(kind), Number::of(kind), Checksum::of(kind)) {
                (Some(text), _, _) => Operator::Text(text),
                (_, Some(number), _) => Operator::Number(number),
                (_, _, Some(checksum)) => {
                    let (rx, _) = self.pattern(text)?;
                    Operator::Verify(checksum, rx)
                }
                _ => return Err(format!("the operator @{} is not supported", kind.name())),
            },
        };
        let need = Need::of(&compiled, argument.plain(), None);
        Ok((compiled, need))
    }

    fn phrases(
        &mut self,
        key: &[u8],
        compile: impl FnOnce(&[u8]) -> Result<Pm, String>,
    ) -> Result<(Operator, Need), String> {
        if let Some((pm, need)) = self.phrases.get(key) {
            return Ok((Operator::Pm(Arc::clone(pm)), need.clone()));
        }
        let pm = Arc::new(compile(key)?);
        let operator = Operator::Pm(Arc::clone(&pm));
        let need = Need::of(&operator, None, None);
        self.phrases.insert(key.to_vec(), (pm, need.clone()));
        Ok((operator, need))
    }

    /// Reads the files an operator names, relative to the rule's own file. Returns what tells them
    /// from others, and their content one after the other.
    fn data_file(&mut self, span: ast::Span, names: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
        let rule_file = self.configuration.files.get(span.file as usize);
        let directory = rule_file.and_then(|file| file.parent()).unwrap_or(Path::new("")).to_path_buf();
        let read = |loader: &dyn Loader, name: &[u8]| {
            if let Some(url) = std::str::from_utf8(name).ok().filter(|name| name.starts_with("https://")) {
                return loader.fetch(url, "").map_err(|error| format!("cannot fetch the data file {url}: {error}"));
            }
            let path = directory.join(PathBuf::from(String::from_utf8_lossy(name).into_owned()));
            loader.read(&path).map_err(|error| format!("cannot read the data file {}: {error}", path.display()))
        };
        let whole = read(self.loader, names);
        let content = match whole {
            Ok(content) => content,
            Err(error) => {
                let parts: Vec<&[u8]> = names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty()).collect();
                if parts.len() < 2 {
                    return Err(error);
                }
                let mut all = Vec::new();
                for part in parts {
                    all.extend(read(self.loader, part)?);
                    all.push(b'\n');
                }
                all
            }
        };
        self.digest.update(&content);
        let key = [directory.as_os_str().as_encoded_bytes(), b"\0", names].concat();
        Ok((key, content))
    }

    /// An operator that matches nothing, because the configuration lacks what it asks.
    fn idle(&mut self, span: ast::Span, message: &str) -> Operator {
        let file = self.configuration.files.get(span.file as usize).map(|file| file.to_path_buf()).unwrap_or_default();
        let message = message.to_owned();
        self.warnings.push(Warning { file, line: span.line, column: span.column, message });
        Operator::Never
    }
}
