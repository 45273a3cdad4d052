//! What a node is asked about one key, as it stands on the wire.

use crate::plan::keyspace::Keyspace;

/// A command that differs from key to key in the key alone, and there in a few patched bytes.
pub(crate) struct Question {
    keyspace: Keyspace,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Question {
    /// `GETRANGE key 0 <value size>`: the value as far as one byte beyond its planned length, so
    /// that no answer is longer than that, whatever the server holds.
    pub(crate) fn of_value(keyspace: &Keyspace, value_size: usize) -> Self {
        let end = value_size.to_string();
        let tail = format!("\r\n$1\r\n0\r\n${}\r\n{end}\r\n", end.len());
        Self::new(keyspace, "*4\r\n$8\r\nGETRANGE\r\n", &tail)
    }

    /// `EXISTS key`, where GETRANGE was answered with nothing.
    pub(crate) fn of_existence(keyspace: &Keyspace) -> Self {
        Self::new(keyspace, "*2\r\n$6\r\nEXISTS\r\n", "\r\n")
    }

    fn new(keyspace: &Keyspace, head: &str, tail: &str) -> Self {
        Self {
            head: format!("{head}${}\r\n", keyspace.key_size()).into_bytes(),
            tail: tail.as_bytes().to_vec(),
            keyspace: keyspace.clone(),
        }
    }

    /// Bytes of every question.
    pub(crate) fn bytes(&self) -> usize {
        self.head.len() + self.keyspace.key_size() + self.tail.len()
    }

    /// Writes the whole question for each of the places in `questions`.
    pub(crate) fn render(&self, questions: &mut [u8]) {
        for question in questions.chunks_exact_mut(self.bytes()) {
            let (head, rest) = question.split_at_mut(self.head.len());
            let (key, tail) = rest.split_at_mut(self.keyspace.key_size());
            head.copy_from_slice(&self.head);
            self.keyspace.render(0, key);
            tail.copy_from_slice(&self.tail);
        }
    }

    /// Turns rendered questions into those for these indices.
    pub(crate) fn patch(&self, indices: impl Iterator<Item = u64>, questions: &mut [u8]) {
        let key = self.head.len()..self.head.len() + self.keyspace.key_size();
        for (index, question) in indices.zip(questions.chunks_exact_mut(self.bytes())) {
            self.keyspace.patch(index, &mut question[key.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::keyspace::KeyLayout;

    #[test]
    fn questions_are_commands() {
        let keyspace = Keyspace::new(16, None, KeyLayout::Plain).unwrap();
        for (question, expected) in [
            (
                Question::of_value(&keyspace, 512),
                "*4\r\n$8\r\nGETRANGE\r\n$16\r\nkey:000000000007\r\n$1\r\n0\r\n$3\r\n512\r\n",
            ),
            (
                Question::of_existence(&keyspace),
                "*2\r\n$6\r\nEXISTS\r\n$16\r\nkey:000000000007\r\n",
            ),
        ] {
            let mut bytes = vec![0; 2 * question.bytes()];
            question.render(&mut bytes);
            question.patch([3, 7].into_iter(), &mut bytes);
            assert_eq!(&bytes[question.bytes()..], expected.as_bytes());
        }
    }
}
