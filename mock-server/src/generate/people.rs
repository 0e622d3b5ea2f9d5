//! People: names that agree in gender, phones and addresses in the spellings people use.

use super::words;
use crate::dice::Dice;

pub struct Name {
    pub first: String,
    pub last: String,
}

impl Name {
    pub fn whole(&self) -> String {
        format!("{} {}", self.first, self.last).trim().to_owned()
    }
}

/// Seven of ten are Russian.
pub fn name(dice: &mut Dice) -> Name {
    let (first, last) = if !dice.chance(70) {
        (*dice.pick(words::FIRST_EN), *dice.pick(words::LAST_EN))
    } else if dice.chance(50) {
        (*dice.pick(words::MEN_RU), dice.pick(words::SURNAMES_RU).0)
    } else {
        (*dice.pick(words::WOMEN_RU), dice.pick(words::SURNAMES_RU).1)
    };
    // Some are known by one name only.
    let last = if dice.chance(4) { "" } else { last };
    Name { first: first.to_owned(), last: last.to_owned() }
}

/// +7 and its older spelling with 8, or +1.
pub fn phone(dice: &mut Dice) -> String {
    let digits = dice.digits(9);
    let (code, rest) = digits.split_at(2);
    let (three, four) = rest.split_at(3);
    match dice.below(6) {
        0 => format!("8 (9{code}) {three}-{}-{}", &four[..2], &four[2..]),
        1 => format!("+7 9{code} {three} {four}"),
        2 => format!("+12{code}555{four}"),
        _ => format!("+79{code}{rest}"),
    }
}

/// The name in Latin letters, at a domain that cannot exist.
pub fn email(dice: &mut Dice, name: &Name) -> String {
    let host = *dice.pick(&["mail.example", "acme.example", "post.example", "почта.example"]);
    format!("{}.{}{}@{host}", latin(&name.first), latin(&name.last), dice.below(1000))
}

fn latin(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        let spelled = match letter {
            'а' => "a",
            'б' => "b",
            'в' => "v",
            'г' => "g",
            'д' => "d",
            'е' | 'ё' | 'э' => "e",
            'ж' => "zh",
            'з' => "z",
            'и' => "i",
            'й' | 'ы' => "y",
            'к' => "k",
            'л' => "l",
            'м' => "m",
            'н' => "n",
            'о' => "o",
            'п' => "p",
            'р' => "r",
            'с' => "s",
            'т' => "t",
            'у' => "u",
            'ф' => "f",
            'х' => "kh",
            'ц' => "ts",
            'ч' => "ch",
            'ш' | 'щ' => "sh",
            'ю' => "yu",
            'я' => "ya",
            _ => "",
        };
        out.push_str(spelled);
        if letter.is_ascii_alphanumeric() {
            out.push(letter);
        }
    }
    out
}
