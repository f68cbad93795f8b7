//! Numbers in hexadecimal digits, without the machinery of `{:x}`: every answer carries some.

/// All digits of `number`, the highest first, in lower case.
#[must_use]
pub fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&hex_of_half((number >> 32) as u32));
    digits[8..].copy_from_slice(&hex_of_half((number & 0xffff_ffff) as u32));
    digits
}

/// All eight digits at once, each in its own byte of a register.
#[must_use]
pub(super) fn hex_of_half(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let number = u64::from(number);
    let words = ((number << 16) | number) & 0x0000_ffff_0000_ffff;
    let bytes = ((words << 8) | words) & 0x00ff_00ff_00ff_00ff;
    let values = ((bytes << 4) | bytes) & (ONES * 15);
    // A value of ten or more and six is sixteen or more.
    let letters = ((values + ONES * 6) >> 4) & ONES;
    let digits = values + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10);
    digits.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for value in 0..=u64::from(u16::MAX) {
            // Each digit in each place, beside others.
            let number = value.wrapping_mul(0x0001_0203_0405_0607);
            assert_eq!(&hex(number), format!("{number:016x}").as_bytes());
        }
    }
}
