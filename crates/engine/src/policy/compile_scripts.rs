//! Lua scripts that rules name, read and checked when the policy is compiled.

use std::path::Path;

use parapet_script::{Limits, Sandbox, Script};
use parapet_seclang::ast;
use sha2::Digest;

use super::compile::Compiler;
use crate::transaction::scripts::Quiet;

impl Compiler<'_> {
    /// The script that a rule names, relative to the rule's own file. Its top level is run once, so that
    /// what it lacks is known now.
    pub(super) fn script(&mut self, span: ast::Span, name: &[u8]) -> Result<Script, String> {
        let name = String::from_utf8_lossy(name).into_owned();
        if !name.to_ascii_lowercase().ends_with(".lua") {
            return Err(format!("`{name}` is no Lua script (*.lua); other programs are not run beside requests"));
        }
        let rule_file = self.configuration.files.get(span.file as usize);
        let path = rule_file.and_then(|file| file.parent()).unwrap_or(Path::new("")).join(name);
        if let Some(known) = self.scripts.get(&path) {
            return known.clone();
        }
        let script = self.read_script(&path);
        self.scripts.insert(path, script.clone());
        script
    }

    fn read_script(&mut self, path: &Path) -> Result<Script, String> {
        let source = self.loader.read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        self.digest.update(&source);
        let script = Script::compile(&path.display().to_string(), &source).map_err(|error| error.to_string())?;
        let loaded = Sandbox::new(Limits::default()).and_then(|mut sandbox| {
            sandbox.load(&script, &mut Quiet)?;
            Ok(sandbox.defines(&script, "main"))
        });
        match loaded {
            Ok(true) => Ok(script),
            Ok(false) => Err(format!("{} defines no function main", path.display())),
            Err(failure) => Err(format!("{failure}; scripts have no files, no network and no other modules")),
        }
    }
}
