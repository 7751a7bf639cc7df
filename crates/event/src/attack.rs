//! Attack classes, derived from CRS rule tags and rule families.

use serde::{Deserialize, Serialize};

/// What kind of attack a finding belongs to. Names follow the `attack-*` tags of CRS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttackClass {
    /// SQL injection (942).
    Sqli,
    /// Cross-site scripting (941).
    Xss,
    /// Remote command execution (932).
    Rce,
    /// Local file inclusion, path traversal (930).
    Lfi,
    /// Remote file inclusion (931).
    Rfi,
    /// PHP injection (933).
    InjectionPhp,
    /// Java attacks (944).
    InjectionJava,
    /// Other injection: Node.js, SSRF, templates (934).
    InjectionGeneric,
    /// Session fixation (943).
    Fixation,
    /// Scanners and automated tools (913).
    Scanner,
    /// HTTP protocol abuse: smuggling, response splitting (921), multipart (922).
    Protocol,
    /// Requests that break the protocol or local policy (911, 920), or cannot be parsed at all.
    ProtocolViolation,
    /// Data leaking out in a response (950–954, 956).
    Disclosure,
    /// A web shell answering (955).
    WebShell,
    /// Anything else.
    Generic,
}

impl AttackClass {
    /// All classes, for charts and documentation.
    pub const ALL: [AttackClass; 15] = [
        AttackClass::Sqli,
        AttackClass::Xss,
        AttackClass::Rce,
        AttackClass::Lfi,
        AttackClass::Rfi,
        AttackClass::InjectionPhp,
        AttackClass::InjectionJava,
        AttackClass::InjectionGeneric,
        AttackClass::Fixation,
        AttackClass::Scanner,
        AttackClass::Protocol,
        AttackClass::ProtocolViolation,
        AttackClass::Disclosure,
        AttackClass::WebShell,
        AttackClass::Generic,
    ];

    /// The class of a CRS rule by its family (the first three digits of a six-digit id). Bookkeeping
    /// families (901, 905, 949, 959, 980) belong to no class.
    pub fn of_rule(rule_id: u32) -> Option<AttackClass> {
        match rule_id / 1000 {
            901 | 905 | 949 | 959 | 980 | 999 => None,
            911 | 920 => Some(AttackClass::ProtocolViolation),
            913 => Some(AttackClass::Scanner),
            921 | 922 => Some(AttackClass::Protocol),
            930 => Some(AttackClass::Lfi),
            931 => Some(AttackClass::Rfi),
            932 => Some(AttackClass::Rce),
            933 => Some(AttackClass::InjectionPhp),
            934 => Some(AttackClass::InjectionGeneric),
            941 => Some(AttackClass::Xss),
            942 => Some(AttackClass::Sqli),
            943 => Some(AttackClass::Fixation),
            944 => Some(AttackClass::InjectionJava),
            950..=954 | 956 => Some(AttackClass::Disclosure),
            955 => Some(AttackClass::WebShell),
            _ => Some(AttackClass::Generic),
        }
    }

    /// The name used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            AttackClass::Sqli => "sqli",
            AttackClass::Xss => "xss",
            AttackClass::Rce => "rce",
            AttackClass::Lfi => "lfi",
            AttackClass::Rfi => "rfi",
            AttackClass::InjectionPhp => "injection-php",
            AttackClass::InjectionJava => "injection-java",
            AttackClass::InjectionGeneric => "injection-generic",
            AttackClass::Fixation => "fixation",
            AttackClass::Scanner => "scanner",
            AttackClass::Protocol => "protocol",
            AttackClass::ProtocolViolation => "protocol-violation",
            AttackClass::Disclosure => "disclosure",
            AttackClass::WebShell => "web-shell",
            AttackClass::Generic => "generic",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_serialized_form() {
        for class in AttackClass::ALL {
            let json = serde_json::to_string(&class).unwrap();
            assert_eq!(json, format!("\"{}\"", class.as_str()));
        }
    }

    #[test]
    fn bookkeeping_rules_have_no_class() {
        assert_eq!(AttackClass::of_rule(949110), None);
        assert_eq!(AttackClass::of_rule(942100), Some(AttackClass::Sqli));
    }
}
