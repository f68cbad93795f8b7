use crate::domain::BatchId;

/// The name of an order at the provider: the batch and its number, so that a result leads back to
/// both, even when nobody remembers that the batch was handed in.
pub(super) fn custom_id(batch: BatchId, number: u32) -> String {
    format!("{}-{number}", batch.0.simple())
}

/// The number of the order, if it is one of `batch`.
pub(super) fn number_in(batch: BatchId, custom_id: &str) -> Option<u32> {
    let number = custom_id.strip_prefix(&batch.0.simple().to_string())?;
    number.strip_prefix('-')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_name_leads_back_and_no_other_does() {
        let (batch, other) = (BatchId(Uuid::from_u128(7)), BatchId(Uuid::from_u128(8)));
        let name = custom_id(batch, 9_999);
        assert_eq!(number_in(batch, &name), Some(9_999));
        assert_eq!(number_in(other, &name), None);
        assert_eq!(number_in(batch, "7-1"), None);
        // What the API takes: ^[a-zA-Z0-9_-]{1,64}$.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(name.len() <= 64 && name.bytes().all(is_plain), "{name}");
    }
}
