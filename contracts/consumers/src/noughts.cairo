//! The rules of noughts and crosses. A set of cells is a number with a bit for each cell.

#[derive(Copy, Drop, Serde, PartialEq, Default, starknet::Store)]
pub enum Turn {
    #[default]
    Nobody,
    Player,
    Model,
    Won,
    Lost,
    Drawn,
}

pub fn bit(cell: u8) -> u16 {
    let mut bit = 1;
    for _ in 0..cell {
        bit *= 2;
    };
    bit
}
fn has_line(cells: u16) -> bool {
    let mut found = false;
    for line in array![0x7, 0x38, 0x1c0, 0x49, 0x92, 0x124, 0x111, 0x54] {
        found = found || (cells & line) == line;
    };
    found
}
/// Whose turn it is after a move of one side.
pub fn turn_after(mover: u16, other: u16, won: Turn, next: Turn) -> Turn {
    if has_line(mover) {
        won
    } else if (mover | other) == 0x1ff {
        Turn::Drawn
    } else {
        next
    }
}
/// The input of a model that plays noughts.
pub fn board(crosses: u16, noughts: u16) -> Span<i32> {
    let mut board = array![];
    for cell in 0..9_u8 {
        let bit = bit(cell);
        if (noughts & bit) != 0 {
            board.append(1);
        } else if (crosses & bit) != 0 {
            board.append(-1);
        } else {
            board.append(0);
        }
    };
    board.span()
}
/// The free cell of the highest score, and of several the first.
pub fn best(taken: u16, scores: Span<i32>) -> u8 {
    let (mut best, mut highest) = (9, 0);
    for cell in 0..9_u8 {
        let score = *scores.at(cell.into());
        if (taken & bit(cell)) == 0 && (best == 9 || score > highest) {
            best = cell;
            highest = score;
        }
    };
    best
}
