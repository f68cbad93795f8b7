//! Calls of `ChallengesAdmin`, short enough to be read in a test.
use challenges_catalog::pb::{
    admin::v1::{self as pb, challenges_admin_client::ChallengesAdminClient},
    catalog::v1::{Difficulty, GetChallengeRequest, GetChallengeResponse},
};
use tonic::{Request, Status, transport::Channel};

use crate::support::replica::Replica;

pub type Client = ChallengesAdminClient<Channel>;

/// One of the seeded challenges.
pub const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";

/// A client with a connection of its own.
pub async fn client(replica: &Replica) -> Client {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    ChallengesAdminClient::new(endpoint.connect().await.unwrap())
}

/// The id that ends in `number`.
pub fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A good challenge of that id.
pub fn challenge(number: u32, title: &str) -> pb::EditedChallenge {
    pb::EditedChallenge {
        id: id(number),
        difficulty: Difficulty::Beginner.into(),
        title: title.to_owned(),
        description: Some("Do it.\nThen rest.".to_owned()),
        points: Some(15),
        tips: Some("Breathe.".to_owned()),
        ..Default::default()
    }
}

/// A request to add `challenge`.
pub fn creating(challenge: pb::EditedChallenge) -> pb::CreateChallengeRequest {
    pb::CreateChallengeRequest {
        challenge: Some(challenge),
        ..Default::default()
    }
}

pub async fn create(
    client: &mut Client,
    challenge: pb::EditedChallenge,
) -> Result<pb::CreateChallengeResponse, Status> {
    let answer = client.create_challenge(creating(challenge)).await;
    answer.map(tonic::Response::into_inner)
}

/// A request to give `challenge`'s fields to the challenge of its id.
pub fn updating(challenge: pb::EditedChallenge) -> pb::UpdateChallengeRequest {
    pb::UpdateChallengeRequest {
        challenge: Some(challenge),
        ..Default::default()
    }
}

pub async fn update(
    client: &mut Client,
    request: pb::UpdateChallengeRequest,
) -> Result<pb::UpdateChallengeResponse, Status> {
    let answer = client.update_challenge(request).await;
    answer.map(tonic::Response::into_inner)
}

pub async fn delete(client: &mut Client, id: &str) -> Result<pb::DeleteChallengeResponse, Status> {
    let request = pb::DeleteChallengeRequest {
        id: id.to_owned(),
        ..Default::default()
    };
    let answer = client.delete_challenge(request).await;
    answer.map(tonic::Response::into_inner)
}

/// The newest revisions, of one challenge or all.
pub async fn history(client: &mut Client, challenge: &str) -> Vec<pb::ChallengeRevision> {
    let request = pb::ListChallengeRevisionsRequest {
        challenge_id: challenge.to_owned(),
        page_size: 100,
        ..Default::default()
    };
    let answer = client.list_challenge_revisions(request).await;
    answer.unwrap().into_inner().revisions
}

/// What the operations were, the newest first.
pub fn operations(revisions: &[pb::ChallengeRevision]) -> Vec<pb::RevisionOperation> {
    revisions
        .iter()
        .map(pb::ChallengeRevision::operation)
        .collect()
}

/// Reads one challenge, at least as new as `min_version`.
pub async fn get(
    replica: &Replica,
    id: &str,
    min_version: &str,
) -> Result<GetChallengeResponse, Status> {
    let request = GetChallengeRequest {
        id: id.to_owned(),
        min_version: min_version.to_owned(),
        ..Default::default()
    };
    let answer = replica.client().await.get_challenge(request).await;
    answer.map(tonic::Response::into_inner)
}

/// The call, by somebody.
pub fn by<T>(name: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let name = name.parse().unwrap();
    request.metadata_mut().insert("x-caller-id", name);
    request
}

/// The messages of an import: the options with the first of them.
pub fn import_of(
    options: pb::ImportOptions,
    rows: &[pb::ImportRow],
    each: usize,
) -> Vec<pb::ImportChallengesRequest> {
    let mut messages: Vec<_> = rows
        .chunks(each)
        .map(|rows| pb::ImportChallengesRequest {
            options: None,
            rows: rows.to_vec(),
        })
        .collect();
    if messages.is_empty() {
        messages.push(pb::ImportChallengesRequest::default());
    }
    messages[0].options = Some(options);
    messages
}

/// Rows of good challenges with these numbers.
pub fn rows(numbers: std::ops::Range<u32>) -> Vec<pb::ImportRow> {
    let row = |number| pb::ImportRow {
        line: 0,
        challenge: Some(challenge(number, &format!("Number {number}"))),
    };
    numbers.map(row).collect()
}

pub async fn import(
    client: &mut Client,
    options: pb::ImportOptions,
    rows: Vec<pb::ImportRow>,
) -> Result<pb::ImportChallengesResponse, Status> {
    let messages = futures_util::stream::iter(import_of(options, &rows, 500));
    let answer = client.import_challenges(messages).await;
    answer.map(tonic::Response::into_inner)
}
