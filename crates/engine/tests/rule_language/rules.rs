//! Rules, chains, macros, flow and exclusions.

use crate::harness::{Request, get, policy, run};

#[test]
fn names_fold_case_on_lookup_and_keep_it_in_reports() {
    let outcome = get(r#"SecRule ARGS:foo "@streq 1" "id:1,phase:1,pass,msg:'%{MATCHED_VAR_NAME}'""#, "/?FoO=1");
    assert_eq!(outcome.message(1), "ARGS:FoO");
}

#[test]
fn setvar_runs_for_each_matching_value_even_if_the_chain_fails() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,pass,nolog,setvar:tx.head=+5,chain"
        SecRule ARGS "@contains nothing" "setvar:tx.child=+1""#;
    let outcome = get(rules, "/?a=x&b=y&c=xx");
    assert_eq!(outcome.tx("head").as_deref(), Some("10"));
    assert_eq!(outcome.tx("child"), None);
    assert!(outcome.ids.is_empty());
}

#[test]
fn captures_fill_groups_and_take_the_rest_out() {
    let rules = r#"SecRule ARGS:a "@rx (1)(2)(3)" "id:1,phase:1,pass,nolog,capture"
        SecRule ARGS:b "@rx (x)|(y)" "id:2,phase:1,pass,capture,msg:'[%{TX.0}|%{TX.1}|%{TX.2}|%{TX.3}]'""#;
    let outcome = get(rules, "/?a=123&b=y");
    assert_eq!(outcome.message(2), "[y||y|]");
    assert_eq!(outcome.tx("1").as_deref(), Some(""));
    assert_eq!(outcome.tx("3"), None);
}

#[test]
fn without_capture_nothing_is_captured() {
    assert_eq!(get(r#"SecRule ARGS "@rx (a)" "id:1,phase:1,pass""#, "/?x=a").tx("0"), None);
}

#[test]
fn a_phrase_is_captured_as_it_stands_in_the_value() {
    let outcome = get(r#"SecRule ARGS "@pm select UNION" "id:1,phase:1,pass,capture""#, "/?x=a+UnIoN+b");
    assert_eq!(outcome.tx("0").as_deref(), Some("UnIoN"));
}

#[test]
fn matched_variables_hold_transformed_values_and_reset_with_each_rule() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,pass,t:lowercase,chain,msg:'%{MATCHED_VAR}'"
            SecRule MATCHED_VARS "@streq xa" "chain"
            SecRule MATCHED_VARS_NAMES "@streq ARGS:a" "t:none"
        SecRule MATCHED_VARS "@unconditionalMatch" "id:2,phase:1,pass"
        SecRule ARGS "@contains x" "id:3,phase:1,pass,t:lowercase,chain"
            SecRule &MATCHED_VARS "@eq 2" """#;
    let outcome = get(rules, "/?a=XA&b=xb&c=c");
    assert_eq!(outcome.ids, [1, 3]);
}

#[test]
fn the_heads_message_is_expanded_after_the_chain() {
    let rules = r#"SecRule ARGS:a "@rx ." "id:1,phase:1,pass,chain,msg:'%{TX.seen} %{MATCHED_VAR_NAME}'"
        SecRule ARGS:b "@rx ." "setvar:tx.seen=yes""#;
    assert_eq!(get(rules, "/?a=1&b=2").message(1), "yes ARGS:b");
}

#[test]
fn macros_work_in_arguments_names_and_values() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,setvar:tx.allowed=GET HEAD,setvar:tx.n=2"
        SecRule REQUEST_METHOD "!@within %{tx.allowed}" "id:2,phase:1,pass"
        SecRule REQUEST_METHOD "@within %{tx.allowed}" "id:3,phase:1,pass"
        SecRule ARGS "@rx ^a{%{tx.n}}$" "id:4,phase:1,pass,setvar:'tx.hit_%{MATCHED_VAR_NAME}=%{MATCHED_VAR}'"
        SecRule TX:/^hit_/ "@streq aa" "id:5,phase:1,pass,msg:'%{MATCHED_VAR_NAME}'""#;
    let outcome = get(rules, "/?p=aa&q=aaa");
    assert_eq!(outcome.ids, [3, 4, 5]);
    assert_eq!(outcome.message(5), "TX:hit_ARGS:p");
    assert_eq!(outcome.tx("hit_args:P").as_deref(), Some("aa"));
}

#[test]
fn setvar_counts_without_panics() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,setvar:tx.a=+3,setvar:tx.b=abc,setvar:tx.b=+2,setvar:tx.c=1,setvar:tx.c=-5,setvar:tx.d,setvar:!tx.d,setvar:tx.e=9223372036854775807,setvar:tx.e=+9223372036854775807,setvar:tx.f""#;
    let outcome = get(rules, "/");
    assert_eq!(outcome.tx("a").as_deref(), Some("3"));
    assert_eq!(outcome.tx("b").as_deref(), Some("2"));
    assert_eq!(outcome.tx("c").as_deref(), Some("-4"));
    assert_eq!(outcome.tx("d"), None);
    assert!(outcome.tx("e").is_some());
    assert_eq!(outcome.tx("f").as_deref(), Some("1"));
}

#[test]
fn absent_variables_match_nothing_and_count_as_nought() {
    let rules = r#"SecRule ARGS:none "!@rx x" "id:1,phase:1,pass"
        SecRule &ARGS:none "@eq 0" "id:2,phase:1,pass"
        SecRule &ARGS "@eq 2" "id:3,phase:1,pass"
        SecRule TX:none "!@eq 5" "id:4,phase:1,pass"
        SecRule &TX:none "@eq 0" "id:5,phase:1,pass""#;
    assert_eq!(get(rules, "/?a=1&b=2").ids, [2, 3, 5]);
}

#[test]
fn exclusions_take_values_out() {
    let rules = r#"SecRule ARGS|!ARGS:a|!ARGS:/^skip/ "@contains x" "id:1,phase:1,pass,msg:'%{MATCHED_VAR_NAME}'""#;
    assert!(get(rules, "/?a=x&skip_me=x").ids.is_empty());
    assert_eq!(get(rules, "/?a=x&b=x").message(1), "ARGS:b");
}

#[test]
fn t_none_clears_what_the_default_action_brings() {
    let rules = r#"SecDefaultAction "phase:1,log,auditlog,pass,t:lowercase"
        SecRule ARGS "@streq abc" "id:1"
        SecRule ARGS "@streq ABC" "id:2,t:none"
        SecRule ARGS "@streq cba" "id:3,t:none,t:lowercase""#;
    let rules = rules.replace("\"id:", "\"phase:1,id:");
    assert_eq!(get(&rules, "/?a=ABC").ids, [1, 2]);
}

#[test]
fn multi_match_tests_after_every_transformation_that_changed_the_value() {
    let rules = r#"SecRule ARGS "@rx ." "id:1,phase:1,pass,nolog,multiMatch,t:none,t:lowercase,t:removeNulls,t:removeWhitespace,setvar:tx.n=+1""#;
    assert_eq!(get(rules, "/?a=A+B").tx("n").as_deref(), Some("3"));
    assert_eq!(get(rules, "/?a=ab").tx("n").as_deref(), Some("1"));
}

#[test]
fn skips_go_over_rules_and_markers_stand_in_every_phase() {
    let rules = r#"SecRule ARGS:a "@streq 1" "id:1,phase:1,pass,nolog,skipAfter:END"
        SecAction "id:2,phase:1,pass"
        SecAction "id:3,phase:2,pass"
        SecMarker END
        SecAction "id:4,phase:1,pass,skip:1"
        SecAction "id:5,phase:1,pass,chain"
            SecRule ARGS "@rx ." ""
        SecAction "id:6,phase:1,pass""#;
    assert_eq!(get(rules, "/?a=1").ids, [4, 6, 3]);
    assert_eq!(get(rules, "/?a=2").ids, [2, 4, 6, 3]);
}

#[test]
fn a_skip_without_a_marker_behind_it_lasts_until_the_marker() {
    let rules = r#"SecAction "id:1,phase:2,pass"
        SecMarker BEFORE
        SecAction "id:2,phase:1,pass,skipAfter:BEFORE"
        SecAction "id:3,phase:1,pass"
        SecAction "id:4,phase:2,pass""#;
    assert_eq!(get(rules, "/").ids, [2, 4]);
}

#[test]
fn removing_rules_leaves_markers_alone() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=2-9,skipAfter:END"
        SecAction "id:2,phase:1,pass"
        SecMarker END
        SecAction "id:3,phase:1,pass"
        SecAction "id:10,phase:1,pass""#;
    assert_eq!(get(rules, "/").ids, [10]);
}

#[test]
fn chains_act_and_report_once_after_the_whole_chain() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,deny,status:418,msg:'m',chain"
        SecRule ARGS "@contains y" "chain"
        SecRule ARGS:c "@streq z" """#;
    let outcome = get(rules, "/?a=xy&b=x&c=z");
    assert_eq!(outcome.ids, [1]);
    assert_eq!(outcome.intervention.unwrap().status, 418);
    assert!(get(rules, "/?a=xy").intervention.is_none());
}

#[test]
fn block_does_what_the_default_action_of_its_phase_does() {
    let rules = r#"SecDefaultAction "phase:1,log,auditlog,pass"
        SecDefaultAction "phase:2,log,auditlog,deny,status:406"
        SecAction "id:1,phase:1,block"
        SecRule ARGS:b "@streq 1" "id:2,phase:2,block"
        SecRule ARGS:b "@streq 2" "id:3,phase:2,block,status:410"
        SecRule ARGS:b "@streq 3" "id:4,phase:2""#;
    let status = |uri| get(rules, uri).intervention.map(|intervention| intervention.status);
    assert_eq!(status("/"), None);
    assert_eq!(status("/?b=1"), Some(406));
    assert_eq!(status("/?b=2"), Some(410));
    assert_eq!(status("/?b=3"), Some(406));
}

#[test]
fn detection_only_does_everything_but_stop() {
    let rules = r#"SecRuleEngine DetectionOnly
        SecAction "id:1,phase:1,deny,setvar:tx.a=1,skipAfter:END"
        SecAction "id:2,phase:1,pass"
        SecMarker END
        SecAction "id:3,phase:1,allow"
        SecAction "id:4,phase:2,drop""#;
    let outcome = get(rules, "/");
    assert_eq!(outcome.ids, [1, 3, 4]);
    assert!(outcome.intervention.is_none());
    assert_eq!(outcome.tx("a").as_deref(), Some("1"));
}

#[test]
fn allow_ends_as_much_as_it_says() {
    let rules = |scope: &str| {
        format!(
            r#"SecAction "id:1,phase:1,nolog,{scope}"
            SecAction "id:2,phase:1,pass"
            SecAction "id:3,phase:2,pass"
            SecAction "id:4,phase:3,pass"
            SecAction "id:5,phase:5,pass""#
        )
    };
    assert_eq!(get(&rules("allow"), "/").ids, [5]);
    assert_eq!(get(&rules("allow:phase"), "/").ids, [3, 4, 5]);
    assert_eq!(get(&rules("allow:request"), "/").ids, [4, 5]);
    assert_eq!(get(&rules("pass"), "/").ids, [2, 3, 4, 5]);
}

#[test]
fn ctl_removes_rules_by_id_tag_and_message() {
    let tail = r#"SecAction "id:10,phase:1,pass,tag:'one',msg:'first'"
        SecAction "id:11,phase:1,pass,tag:'one/two',msg:'second'"
        SecAction "id:12,phase:2,pass,tag:'one',msg:'third'""#;
    let ids = |ctl: &str| get(&format!("SecAction \"id:1,phase:1,pass,nolog,{ctl}\"\n{tail}"), "/").ids;
    assert_eq!(ids("ctl:ruleRemoveById=10"), [11, 12]);
    assert_eq!(ids("ctl:ruleRemoveById=11-12"), [10]);
    assert_eq!(ids("ctl:ruleRemoveByTag=one"), [11]);
    assert_eq!(ids("ctl:ruleRemoveByMsg=^(?:first|third)$"), [11]);
}

#[test]
fn ctl_removes_targets_also_from_later_links() {
    let tail = r#"SecRule ARGS "@contains x" "id:10,phase:1,pass,tag:'t',chain"
            SecRule ARGS|ARGS_NAMES "@contains x" """#;
    let matched = |ctl: &str, uri: &str| {
        !get(&format!("SecAction \"id:1,phase:1,pass,nolog,{ctl}\"\n{tail}"), uri).ids.is_empty()
    };
    assert!(matched("ctl:ruleRemoveTargetById=10;ARGS:other", "/?a=x"));
    assert!(!matched("ctl:ruleRemoveTargetById=10;ARGS:A", "/?a=x"));
    assert!(matched("ctl:ruleRemoveTargetById=10;ARGS:a", "/?a=x&b=x"));
    assert!(!matched("ctl:ruleRemoveTargetById=5-15;ARGS", "/?a=x&b=x"));
    assert!(!matched("ctl:ruleRemoveTargetByTag=t;ARGS:/^a/", "/?a1=x&a2=x"));
    assert!(matched("ctl:ruleRemoveTargetByTag=u;ARGS:a", "/?a=x"));
}

#[test]
fn directives_change_only_the_rules_before_them() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,pass,tag:'a',msg:'one'"
        SecRule ARGS "@contains x" "id:2,phase:1,pass,tag:'b',msg:'two'"
        SecRule ARGS "@contains x" "id:3,phase:1,pass,tag:'c',msg:'three'"
        SecRuleRemoveById 1
        SecRuleRemoveByTag ^b$
        SecRuleUpdateTargetById 3 "!ARGS:q,REQUEST_HEADERS:X-Test"
        SecRule ARGS "@contains x" "id:4,phase:1,pass,tag:'b'""#;
    assert_eq!(get(rules, "/?p=x").ids, [3, 4]);
    assert_eq!(get(rules, "/?q=x").ids, [4]);
    let request = Request { headers: &[("x-test", "x")], ..Request::default() };
    assert_eq!(run(&policy(rules), &request).ids, [3]);
}

#[test]
fn rules_are_removed_and_changed_by_patterns_over_tags_and_messages() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,pass,tag:'attack-sqli',msg:'SQL one'"
        SecRule ARGS "@contains x" "id:2,phase:1,pass,tag:'attack-xss',msg:'XSS two'"
        SecRule ARGS "@contains x" "id:3,phase:1,pass,tag:'other',msg:'Other three'""#;
    let ids = |directive: &str, uri: &str| get(&format!("{rules}\n{directive}"), uri).ids;
    assert_eq!(ids("SecRuleRemoveByTag attack-", "/?a=x"), [3]);
    assert_eq!(ids("SecRuleRemoveByMsg \"^(?:SQL|Other)\"", "/?a=x"), [2]);
    assert_eq!(ids("SecRuleRemoveById 1 3-9", "/?a=x"), [2]);
    assert_eq!(ids("SecRuleUpdateTargetByTag attack- !ARGS:/^a/", "/?ab=x"), [3]);
    assert_eq!(ids("SecRuleUpdateTargetByTag attack- !ARGS:/^a/", "/?b=x"), [1, 2, 3]);
    assert_eq!(ids("SecRuleUpdateTargetByMsg two !ARGS|REQUEST_FILENAME", "/?b=x"), [1, 3]);
    assert_eq!(ids("SecRuleUpdateTargetByMsg two !ARGS|REQUEST_FILENAME", "/x?b=y"), [2]);
}

#[test]
fn update_action_by_id_reaches_the_links_of_a_chain() {
    let rules = r#"SecRule ARGS:a "@streq x" "id:1,phase:1,deny,chain"
            SecRule ARGS:b "@streq y" "t:none"
        SecRuleUpdateActionById 1:1 "t:lowercase""#;
    assert!(get(rules, "/?a=x&b=Y").intervention.is_some());
    assert!(get(rules, "/?a=X&b=y").intervention.is_none());
}

#[test]
fn ctl_takes_targets_out_by_message_and_by_pattern() {
    let rules = r#"SecAction "id:9,phase:1,pass,nolog,ctl:ruleRemoveTargetByMsg=^one$;ARGS:/^json\.\d+\.note$/"
        SecRule ARGS "@contains x" "id:1,phase:1,pass,msg:'one'"
        SecRule ARGS "@contains x" "id:2,phase:1,pass,msg:'one more'""#;
    assert_eq!(get(rules, "/?json.7.note=x").ids, [2]);
    assert_eq!(get(rules, "/?json.x.note=x").ids, [1, 2]);
}

#[test]
fn update_action_by_id_replaces_actions() {
    let rules = r#"SecRule ARGS "@contains X" "id:1,phase:1,pass,t:none,msg:'old'"
        SecRuleUpdateActionById 1 "deny,status:410,msg:'new'"
        SecRule ARGS "@contains x" "id:2,phase:1,pass,t:none"
        SecRuleUpdateActionById 2 "t:lowercase""#;
    let outcome = get(rules, "/?a=X");
    assert_eq!(outcome.message(1), "new");
    assert_eq!(outcome.intervention.unwrap().status, 410);
}
