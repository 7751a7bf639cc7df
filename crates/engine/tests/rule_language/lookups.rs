//! Operators that need files, databases or the network, and configurations that come over it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use parapet_engine::{Context, Policy, Resolver, Transaction};

use crate::harness::{FORM, Files, get, load, post};
use crate::maxmind;

fn files(list: &[(&'static str, &[u8])]) -> Files {
    Files(list.iter().map(|(name, content)| (*name, content.to_vec())).collect::<BTreeMap<_, _>>())
}

/// Ids of the rules that a request of this client meets.
fn from_client(policy: &Arc<Policy>, client: &str) -> (Vec<u32>, Transaction) {
    let client = SocketAddr::new(client.parse().unwrap(), 4000);
    let mut transaction = Transaction::new(Arc::clone(policy), Context { client, ..Context::default() });
    transaction.request_line(b"GET", b"/", b"HTTP/1.1");
    transaction.process_request_headers();
    let ids = transaction.matches().map(|found| found.rule_id).collect();
    (ids, transaction)
}

#[test]
fn an_address_is_looked_up_in_a_maxmind_database() {
    let rules = r#"SecGeoLookupDb geo.mmdb
        SecRule REMOTE_ADDR "@geoLookup" "id:1,phase:1,pass,msg:'%{GEO.COUNTRY_NAME}, %{GEO.CITY} %{GEO.LATITUDE}'"
        SecRule GEO:COUNTRY_CODE "@pm SE NO" "id:2,phase:1,pass"
        SecRule &GEO "@eq 0" "id:3,phase:1,pass"
        SecRule REMOTE_ADDR "!@geoLookup" "id:4,phase:1,pass""#;
    let policy = Arc::new(load(rules, &files(&[("geo.mmdb", &maxmind::database())])).unwrap());
    let (ids, transaction) = from_client(&policy, "192.0.2.77");
    assert_eq!(ids, [1, 2]);
    assert_eq!(transaction.matches().next().unwrap().message, b"Sweden, Lund 55.5");
    assert_eq!(from_client(&policy, "198.51.100.1").0, [3, 4]);
    assert_eq!(from_client(&policy, "2001:db8::1").0, [3, 4]);
}

#[test]
fn without_a_database_the_policy_says_that_nothing_matches() {
    let policy = load("SecRule REMOTE_ADDR \"@geoLookup\" \"id:1,phase:1,pass\"", &files(&[])).unwrap();
    let warning = policy.warnings()[0].to_string();
    assert!(warning.starts_with("test.conf:4:22: ") && warning.contains("SecGeoLookupDb"), "{warning}");
    let error = load("SecGeoLookupDb geo.dat", &files(&[("geo.dat", b"GEO-106FREE")])).err().unwrap();
    assert!(error.starts_with("test.conf:4:1: ") && error.contains(".mmdb"), "{error}");
}

/// Knows some names, and remembers what it was asked.
struct Known(&'static [&'static str], Mutex<Vec<String>>);

impl Resolver for Known {
    fn has_address(&self, name: &str) -> bool {
        self.1.lock().unwrap().push(name.to_owned());
        self.0.contains(&name)
    }
}

#[test]
fn a_block_list_is_asked_through_the_callers_resolver() {
    let rules = r#"SecHttpBlKey abcdefghijkl
        SecRule REMOTE_ADDR "@rbl bl.example.org" "id:1,phase:1,pass,capture,msg:'%{TX.0}'"
        SecRule REMOTE_ADDR "@rbl dnsbl.httpbl.org" "id:2,phase:1,pass""#;
    let resolver = Arc::new(Known(&["77.2.0.192.bl.example.org"], Mutex::default()));
    let policy = load(rules, &files(&[])).unwrap();
    assert!(policy.asks_resolver());
    let policy = Arc::new(policy.with_resolver(Arc::clone(&resolver) as Arc<dyn Resolver>));
    let (ids, transaction) = from_client(&policy, "192.0.2.77");
    assert_eq!(ids, [1]);
    assert_eq!(transaction.matches().next().unwrap().message, b"192.0.2.77");
    let asked = resolver.1.lock().unwrap().clone();
    assert_eq!(asked, ["77.2.0.192.bl.example.org", "abcdefghijkl.77.2.0.192.dnsbl.httpbl.org"]);
    // Nobody to ask: no match, whatever the list says.
    let silent = Arc::new(load(rules, &files(&[])).unwrap());
    assert!(from_client(&silent, "192.0.2.77").0.is_empty());
}

#[test]
fn files_of_addresses_and_phrases_go_by_their_short_names() {
    let rules = r#"SecRule REMOTE_ADDR "@ipMatchF list" "id:1,phase:1,pass"
        SecRule REMOTE_ADDR "@ipMatchFromFile https://h.example/list" "id:2,phase:1,pass"
        SecRule REQUEST_LINE "@pmf words" "id:3,phase:1,pass""#;
    let list: &[u8] = b"192.0.2.0/24\n# more\n2001:db8::/32\n";
    let found = files(&[("list", list), ("https://h.example/list", list), ("words", b"nothing\nget /\n")]);
    let policy = Arc::new(load(rules, &found).unwrap());
    assert_eq!(from_client(&policy, "192.0.2.1").0, [1, 2, 3]);
    assert_eq!(from_client(&policy, "198.51.100.1").0, [3]);
    let error = load(rules, &files(&[("list", list), ("words", b"x")])).err().unwrap();
    assert!(error.contains("cannot fetch the data file https://h.example/list"), "{error}");
}

#[test]
fn nearly_the_same_text_is_found_by_its_fuzzy_hash() {
    let rules = r#"SecRule ARGS "@fuzzyHash known 20" "id:1,phase:2,pass"
        SecRule ARGS "@fuzzyHash known 30" "id:2,phase:2,pass""#;
    let known = files(&[("known", b"3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C,\"a\"\n")]);
    let policy = Arc::new(load(rules, &known).unwrap());
    let text = "q=Also+called+fuzzy+hashes%2C+CTPH+can+match+inputs+that+have+homologies.";
    let headers = [("Content-Type", FORM)];
    let request = crate::harness::Request { method: "POST", headers: &headers, body: text, ..Default::default() };
    assert_eq!(crate::harness::run(&policy, &request).ids, [1]);
}

#[test]
fn a_path_with_names_fills_its_arguments() {
    let rules = r#"SecRule REQUEST_FILENAME "@restpath /users/{id}/files/{name}" "id:1,phase:1,pass"
        SecRule ARGS_PATH:id "!@rx ^\d+$" "id:2,phase:1,pass,msg:'%{MATCHED_VAR}'""#;
    assert_eq!(get(rules, "/users/7/files/a").ids, [1]);
    let outcome = get(rules, "/users/x'y/files/a");
    assert_eq!(outcome.ids, [1, 2]);
    assert_eq!(outcome.message(2), "x'y");
    assert!(get(rules, "/other").ids.is_empty());
}

#[test]
fn numbers_with_check_digits_are_verified_whatever_their_length() {
    let rules = r#"SecRule ARGS "@verifyCC \d{13,16}" "id:1,phase:2,pass"
        SecRule ARGS "@verifyCPF ^\d{11}$" "id:2,phase:2,pass"
        SecRule ARGS "@verifySSN ^\d{9}$" "id:3,phase:2,pass"
        SecRule ARGS "@verifySVNR ^\d{10}$" "id:4,phase:2,pass"
        SecRule ARGS "@validateNid cl [0-9kK.-]+" "id:5,phase:2,pass"
        SecRule ARGS "@validateNid us ^\d{9}$" "id:6,phase:2,pass""#;
    let ids = |value: &str| post(rules, FORM, &format!("a={value}")).ids;
    assert_eq!(ids("5555555555554444"), [1]);
    assert_eq!(ids("52998224725"), [2]);
    assert_eq!(ids("123121234"), [3, 6]);
    assert_eq!(ids("11.111.111-1"), [5]);
    for short in ["", "1", "12", "k", "-", "1234567"] {
        assert!(ids(short).is_empty(), "{short}");
    }
}

#[test]
fn a_code_page_decides_what_unicode_escapes_become() {
    let rule = r#"SecRule ARGS:q "@streq <x>" "id:1,phase:1,pass,t:none,t:urlDecodeUni""#;
    let map: &[u8] = b"1250  (ANSI)\n2329:3c \n\n20127 (US-ASCII)\n2039:3c 203a:3e\n";
    let with = |page: &str| {
        load(&format!("SecUnicodeMapFile unicode.mapping {page}\n{rule}"), &files(&[("unicode.mapping", map)]))
    };
    let ids = |policy: Policy, query: &str| {
        let request = crate::harness::Request { uri: query, ..Default::default() };
        crate::harness::run(&Arc::new(policy), &request).ids
    };
    assert_eq!(ids(with("20127").unwrap(), "/?q=%25u2039x%25u203a"), [1]);
    assert!(ids(with("1250").unwrap(), "/?q=%25u2039x%25u203a").is_empty());
    assert_eq!(ids(with("1250").unwrap(), "/?q=%25u2329x%253e"), [1]);
    // Without a file it is the page that the recommended configuration names.
    assert_eq!(get(rule, "/?q=%25u2039x%25u203a").ids, [1]);
    let error = with("1252").err().unwrap();
    assert!(error.starts_with("test.conf:4:1: ") && error.contains("no code page 1252"), "{error}");
}

#[test]
fn remote_rules_stand_where_their_directive_does() {
    let rules = r#"SecRemoteRules key https://rules.example/a.conf
        SecRuleRemoveById 2"#;
    let remote: &[u8] = b"SecAction id:1,phase:1,pass\nSecAction id:2,phase:1,pass\n";
    let policy = load(rules, &files(&[("https://rules.example/a.conf", remote)])).unwrap();
    let other = load(rules, &files(&[("https://rules.example/a.conf", b"SecAction id:1,phase:1,pass\n")])).unwrap();
    assert_ne!(policy.hash(), other.hash());
    assert_eq!(from_client(&Arc::new(policy), "192.0.2.1").0, [1]);
    let error = load(rules, &files(&[])).err().unwrap();
    assert!(error.starts_with("test.conf:4:20: cannot fetch the remote rules: "), "{error}");
    let wrong = load(rules, &files(&[("https://rules.example/a.conf", b"SecActio id:1\n")])).err().unwrap();
    assert!(wrong.starts_with("https://rules.example/a.conf:1:1: "), "{wrong}");
    let lenient = load(&format!("SecRemoteRulesFailAction Warn\n{rules}"), &files(&[])).unwrap();
    assert!(lenient.warnings()[0].message.contains("left out"), "{:?}", lenient.warnings());
    assert!(load("SecRemoteRules key http://rules.example/a.conf", &files(&[])).err().unwrap().contains("https:"));
}
