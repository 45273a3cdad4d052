//! The cookie of a submission, which comes back with its completion.

/// What was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Bytes out, from a block.
    Send,
    /// Bytes in, into a block.
    Receive,
    /// Waiting until the socket takes more.
    PollOut,
}

/// Operation, lane and block of a submission, packed into the `user_data` of its entry:
/// operation in bits 48 and up, block in 32 to 47, lane in 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) operation: Operation,
    pub(super) block: u16,
    pub(super) lane: u32,
}

impl Token {
    /// As `user_data`.
    pub(super) fn pack(self) -> u64 {
        let operation = match self.operation {
            Operation::Send => 1,
            Operation::Receive => 2,
            Operation::PollOut => 3,
        };
        operation << 48 | u64::from(self.block) << 32 | u64::from(self.lane)
    }

    /// From `user_data`; `None` for a cookie that is not ours.
    pub(super) fn unpack(user_data: u64) -> Option<Self> {
        let operation = match user_data >> 48 {
            1 => Operation::Send,
            2 => Operation::Receive,
            3 => Operation::PollOut,
            _ => return None,
        };
        Some(Self {
            operation,
            block: (user_data >> 32) as u16,
            lane: user_data as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_went(block: u16, lane: u32) {
            for operation in [Operation::Send, Operation::Receive, Operation::PollOut] {
                let token = Token { operation, block, lane };
                prop_assert_eq!(Token::unpack(token.pack()), Some(token));
            }
        }
    }

    #[test]
    fn a_foreign_cookie_is_not_ours() {
        assert_eq!(Token::unpack(0), None);
        assert_eq!(Token::unpack(u64::MAX), None);
    }
}
