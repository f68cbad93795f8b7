//! Collects many different requests that the product can answer.
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::{
    Result,
    caller::Caller,
    messages::{Request, Tail},
};

/// Page sizes whose mean is 50: each is a list of its own.
const PAGE_SIZES: std::ops::RangeInclusive<i32> = 35..=65;
/// All, beginner, intermediate, advanced.
const DIFFICULTIES: std::ops::RangeInclusive<i32> = 0..=3;

/// Writes every request, framed, to `file`, and every answer to Redis.
pub async fn walk(addr: &str, file: &str, redis: Option<&str>) -> Result<()> {
    let mut caller = Caller::connect(addr, "ListChallenges").await?;
    let mut redis = match redis {
        Some(url) => Some(
            redis::Client::open(url)?
                .get_multiplexed_async_connection()
                .await?,
        ),
        None => None,
    };
    let (mut all, mut count) = (Vec::new(), 0);
    for page_size in PAGE_SIZES {
        for difficulty in DIFFICULTIES {
            let mut page_token = String::new();
            loop {
                let request = Request {
                    difficulty,
                    page_size,
                    page_token,
                };
                let frame = framed(&request.encode_to_vec());
                let answer = caller.call(frame.clone()).await?;
                if let Some(redis) = &mut redis {
                    let mut set = redis::cmd("SET");
                    let set = set.arg(&frame[5..]).arg(&answer[..]);
                    set.exec_async(redis).await?;
                }
                page_token = Tail::decode(answer)?.next_page_token;
                // A last page can be short; it would make the mean another one.
                if page_token.is_empty() {
                    break;
                }
                all.extend_from_slice(&frame);
                count += 1;
            }
        }
    }
    std::fs::write(file, all)?;
    println!("{count}");
    Ok(())
}

/// `message` behind its prefix.
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}
