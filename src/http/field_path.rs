//! A field of a request, or of a message in it, by its path.
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

use super::scalar::is_text;

/// The way to a field, such as `challenges.ids`: messages, and a field in the last of them.
#[derive(Clone, Debug)]
pub(super) struct FieldPath {
    name: String,
    around: Vec<FieldDescriptor>,
    leaf: FieldDescriptor,
}

impl FieldPath {
    /// The field of this path, by the names of the contract.
    pub(super) fn resolve(message: &MessageDescriptor, name: &str) -> Option<Self> {
        let mut message = message.clone();
        let mut around = Vec::new();
        let mut parts = name.split('.').peekable();
        loop {
            let field = message.get_field_by_name(parts.next()?)?;
            if parts.peek().is_none() {
                return Some(Self {
                    name: name.to_owned(),
                    around,
                    leaf: field,
                });
            }
            let inner = field.kind().as_message().cloned();
            message = inner.filter(|_| !field.is_list() && !is_text(&field))?;
            around.push(field);
        }
    }

    /// As the caller spells it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The field itself.
    pub(super) fn leaf(&self) -> &FieldDescriptor {
        &self.leaf
    }

    /// The field of the request that it is, or lies in.
    pub(super) fn top(&self) -> &FieldDescriptor {
        self.around.first().unwrap_or(&self.leaf)
    }

    /// Whether the two are one field, or one lies in the other.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let mut pairs = self.steps().zip(other.steps());
        pairs.all(|(one, other)| one == other)
    }

    /// The member of a choice that is set already, where it would set another one.
    pub(super) fn rival(&self, message: &DynamicMessage) -> Option<FieldDescriptor> {
        rival_on(&self.around, &self.leaf, message)
    }

    /// The text there, if it is set.
    pub(super) fn text(&self, message: &DynamicMessage) -> Option<String> {
        text_at(&self.around, &self.leaf, message)
    }

    /// Sets the field, or adds to it if it is a list.
    pub(super) fn put(&self, message: &mut DynamicMessage, value: Value) {
        let mut message = message;
        for field in &self.around {
            // `resolve` goes through messages only.
            let Some(inner) = message.get_field_mut(field).as_message_mut() else {
                return;
            };
            message = inner;
        }
        if self.leaf.is_list() {
            if let Some(values) = message.get_field_mut(&self.leaf).as_list_mut() {
                values.push(value);
            }
        } else {
            message.set_field(&self.leaf, value);
        }
    }

    fn steps(&self) -> impl Iterator<Item = &FieldDescriptor> {
        self.around.iter().chain([&self.leaf])
    }
}

/// Another member of the choice that the field belongs to, if that is set.
pub(super) fn rival(message: &DynamicMessage, field: &FieldDescriptor) -> Option<FieldDescriptor> {
    let choice = field.containing_oneof()?;
    let mut members = choice.fields();
    members.find(|member| member != field && message.has_field(member))
}

fn rival_on(
    around: &[FieldDescriptor],
    leaf: &FieldDescriptor,
    message: &DynamicMessage,
) -> Option<FieldDescriptor> {
    let Some((first, rest)) = around.split_first() else {
        return rival(message, leaf);
    };
    rival(message, first).or_else(|| {
        let inner = message.get_field(first);
        rival_on(rest, leaf, inner.as_message()?)
    })
}

fn text_at(
    around: &[FieldDescriptor],
    leaf: &FieldDescriptor,
    message: &DynamicMessage,
) -> Option<String> {
    let Some((first, rest)) = around.split_first() else {
        let value = message.has_field(leaf).then(|| message.get_field(leaf))?;
        return value.as_str().map(str::to_owned);
    };
    let inner = message.get_field(first);
    text_at(rest, leaf, inner.as_message()?)
}
