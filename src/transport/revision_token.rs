//! Page tokens of the history, made like those of lists.
use uuid::Uuid;

use super::page_token::PageTokens;
use crate::domain::{ChallengeId, Error};

/// Tells these tokens from those of lists.
const KIND: u8 = 2;

/// The token for the revisions before `number`, of one challenge or of all.
pub(super) fn make(tokens: &PageTokens, challenge: Option<ChallengeId>, number: i64) -> String {
    let filter = filter(challenge);
    tokens.seal(
        KIND,
        &[filter.as_bytes(), &number.to_be_bytes()[..]].concat(),
    )
}

/// Before which number the page of `token` starts; `None` for the first.
///
/// # Errors
///
/// [`Error::InvalidPageToken`] unless it was made here for the same challenge.
pub(super) fn read(
    tokens: &PageTokens,
    challenge: Option<ChallengeId>,
    token: &str,
) -> Result<Option<i64>, Error> {
    let content = tokens.open(KIND, token, |content| {
        let (of, number) = content.split_first_chunk()?;
        Some((Uuid::from_bytes(*of), number.try_into().ok()?))
    });
    match content? {
        Some((of, _)) if of != filter(challenge) => Err(Error::InvalidPageToken(
            "was issued for another challenge_id; repeat that of the page before",
        )),
        content => Ok(content.map(|(_, number)| i64::from_be_bytes(number))),
    }
}

/// All ones stands for all challenges: no row has it, because it is no UUID of any version.
fn filter(challenge: Option<ChallengeId>) -> Uuid {
    challenge.map_or(Uuid::max(), ChallengeId::uuid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ListQuery, PageSize};

    #[test]
    fn a_token_leads_back_to_its_place_and_nowhere_else() {
        let tokens = PageTokens::new(b"key");
        let one = Some(ChallengeId::from(Uuid::from_u128(1)));
        for challenge in [None, one] {
            let token = make(&tokens, challenge, 42);
            assert_eq!(read(&tokens, challenge, &token).unwrap(), Some(42));
        }
        let token = make(&tokens, one, 42);
        assert!(read(&tokens, None, &token).is_err());
        assert!(read(&PageTokens::new(b"other"), one, &token).is_err());
        assert!(
            tokens
                .read(&token, &ListQuery::first(None, PageSize::DEFAULT))
                .is_err()
        );
        assert!(read(&tokens, one, "AAAA").is_err());
    }
}
