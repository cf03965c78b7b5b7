//! Tests of values as scripts see them.

use serde_json::json;

use super::*;

fn faulty(value: Value, step: impl FnOnce(Node<'_>)) -> bool {
    let fault = Fault::default();
    step(Node::new(Some(&value), &fault));
    fault.0.into_inner().is_some()
}

#[test]
fn only_tables_and_texts_have_fields() {
    for (value, is_wrong) in [
        (json!({"a": 1}), false),
        (json!([1]), false),
        (json!("x"), false),
        (json!(null), false),
        (json!(1), true),
        (json!(true), true),
    ] {
        assert_eq!(
            faulty(value.clone(), |node| _ = node.at("b")),
            is_wrong,
            "{value}"
        );
    }
}

#[test]
fn nulls_have_no_place_in_a_list() {
    let fault = Fault::default();
    let list = json!([null, "a", null, 2]);
    let node = Node::new(Some(&list), &fault);
    assert_eq!(node.length(), 2);
    assert_eq!(node.list()[1].number(), Some(2.0));
    assert!(faulty(json!("x"), |node| _ = node.list()));
    assert!(!faulty(json!("x"), |node| _ = node.length()));
}

#[test]
fn texts_and_numbers_make_up_a_message() {
    let fault = Fault::default();
    let number = json!(1.5);
    assert_eq!(Node::new(Some(&number), &fault).shown(), "1.5");
    assert!(faulty(json!(false), |node| _ = node.shown()));
    assert!(faulty(json!({}), |node| _ = node.shown()));
}

#[test]
fn a_message_that_is_no_text_voids_the_verdict() {
    let fault = Fault::default();
    let one = json!(1);
    let node = Node::new(Some(&one), &fault);
    assert_eq!(Message::from(node).verdict(HealthStatus::Healthy), None);
    let nothing = Node::new(None, &fault);
    assert_eq!(
        Message::from(nothing).verdict(HealthStatus::Healthy),
        Some(Health::new(HealthStatus::Healthy, ""))
    );
}

#[test]
fn only_like_things_have_an_order() {
    let fault = Fault::default();
    let values = [json!(1), json!(2), json!("2")];
    let [one, two, text] = values.each_ref().map(|v| Node::new(Some(v), &fault));
    assert!(one.less(two));
    assert!(!fault.0.borrow().is_some());
    assert!(!one.less(text));
    assert!(fault.0.borrow().is_some());
}
