//! Reads from the contract how each method is called by HTTP: the option `google.api.http`.
use http::Method;
use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor};

/// The number of the option among those of a method.
const HTTP: u32 = 72_295_728;

/// One way to call a method.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) verb: Method,
    pub(super) template: String,
    /// Empty, `*`, or the name of the field that the body is.
    pub(super) body: String,
}

/// The option, which the contract imports.
pub(super) fn option(contract: &DescriptorPool) -> Option<ExtensionDescriptor> {
    let options = contract.get_message_by_name("google.protobuf.MethodOptions")?;
    options.get_extension(HTTP)
}

/// The ways to call `rpc`, the first one first; nothing if one of them is not understood.
pub(super) fn bindings(
    rpc: &MethodDescriptor,
    option: &ExtensionDescriptor,
) -> Option<Vec<Binding>> {
    let options = rpc.options();
    if !options.has_extension(option) {
        return Some(Vec::new());
    }
    let rule = options.get_extension(option);
    let rule = rule.as_message()?;
    let mut bindings = vec![binding(rule)?];
    let more = rule.get_field_by_name("additional_bindings")?;
    for rule in more.as_list()? {
        bindings.push(binding(rule.as_message()?)?);
    }
    Some(bindings)
}

fn binding(rule: &DynamicMessage) -> Option<Binding> {
    let verbs = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let is_set = |(name, _): &&(&str, Method)| rule.has_field_by_name(name);
    let (name, verb) = verbs.iter().find(is_set)?;
    // Answers are whole messages.
    text(rule, "response_body")?.is_empty().then_some(())?;
    Some(Binding {
        verb: verb.clone(),
        template: text(rule, name)?,
        body: text(rule, "body")?,
    })
}

fn text(rule: &DynamicMessage, name: &str) -> Option<String> {
    let value = rule.get_field_by_name(name)?;
    value.as_str().map(str::to_owned)
}
