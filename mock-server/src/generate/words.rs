//! The lists everything is put together from. All of it is invented.

pub const MEN_RU: &[&str] = &[
    "Александр",
    "Дмитрий",
    "Сергей",
    "Андрей",
    "Алексей",
    "Михаил",
    "Иван",
    "Никита",
    "Фёдор",
    "Павел",
    "Роман",
    "Егор",
    "Тимур",
    "Артём",
    "Юрий",
    "Глеб",
    "Илья",
    "Семён",
    "Лев",
    "Пётр",
];

pub const WOMEN_RU: &[&str] = &[
    "Анна",
    "Мария",
    "Елена",
    "Ольга",
    "Наталья",
    "Ирина",
    "Татьяна",
    "Светлана",
    "Юлия",
    "Дарья",
    "Полина",
    "Алёна",
    "Вера",
    "Жанна",
    "Ксения",
    "Лариса",
    "Нина",
    "Раиса",
    "Софья",
    "Яна",
];

/// Of a man and of a woman.
pub const SURNAMES_RU: &[(&str, &str)] = &[
    ("Иванов", "Иванова"),
    ("Смирнов", "Смирнова"),
    ("Кузнецов", "Кузнецова"),
    ("Соловьёв", "Соловьёва"),
    ("Щербаков", "Щербакова"),
    ("Фомин", "Фомина"),
    ("Пушкин", "Пушкина"),
    ("Царицын", "Царицына"),
    ("Достоевский", "Достоевская"),
    ("Белинский", "Белинская"),
    ("Озёрный", "Озёрная"),
    ("Толстой", "Толстая"),
    ("Чернышёв", "Чернышёва"),
    ("Лысенко", "Лысенко"),
    ("Шевчук", "Шевчук"),
    ("Седых", "Седых"),
    ("Дурново", "Дурново"),
    ("Гайдай", "Гайдай"),
    ("Ёлкин", "Ёлкина"),
    ("Юдин", "Юдина"),
    ("Мамин-Сибиряк", "Мамина-Сибиряк"),
    ("Жуков", "Жукова"),
    ("Эйхман", "Эйхман"),
    ("Хабибуллин", "Хабибуллина"),
];

pub const FIRST_EN: &[&str] = &[
    "James", "Mary", "Robert", "Linda", "David", "Susan", "Thomas", "Karen", "Daniel", "Nancy", "Mark", "Emily",
    "Steven", "Alice", "Kevin", "Zoë", "Brian", "Chloé", "George", "Siobhán",
];

pub const LAST_EN: &[&str] = &[
    "Smith",
    "Johnson",
    "Brown",
    "Taylor",
    "Anderson",
    "Harris",
    "Clark",
    "Walker",
    "Young",
    "King",
    "Wright",
    "O'Neill",
    "McDonald",
    "Müller",
    "García",
    "Baker-Jones",
    "Fisher",
    "Carter",
    "Reed",
    "Ward",
];

pub const COMPANY_FORMS: &[(&str, &str)] =
    &[("ООО «", "»"), ("АО «", "»"), ("ИП ", ""), ("", " LLC"), ("", " Ltd"), ("", " GmbH"), ("", "")];

pub const COMPANY_WORDS: &[&str] = &[
    "Ромашка",
    "Пермь-Окна",
    "СтройМир",
    "Вектор",
    "Северный Ветер",
    "Домострой",
    "Уралстекло",
    "Новый Дом",
    "Acme",
    "Globex",
    "Umbrella Glass",
    "Blue Harbor",
    "Northwind",
    "Initech",
    "Oak & Sons",
    "Silver Lake",
    "Кедр",
    "Прогресс",
];

pub const POSITIONS: &[&str] =
    &["Директор", "Главный бухгалтер", "Инженер", "Закупщик", "Buyer", "CEO", "Architect", "Менеджер по закупкам"];

pub const CITIES: &[&str] =
    &["Пермь", "Москва", "Казань", "Санкт-Петербург", "Тюмень", "Berlin", "London", "New York", "Екатеринбург"];

pub const STREETS: &[&str] =
    &["ул. Ленина", "пр-т Мира", "ул. Зелёная", "наб. Реки Камы", "Main St", "Oak Avenue", "Baker Street"];

pub const DEALS: &[&str] = &[
    "Окна в квартиру",
    "Window order",
    "Остекление балкона",
    "Двери, доставка",
    "Office glazing",
    "Ремонт створки",
    "Warehouse doors",
    "Дача под ключ",
    "Замер",
    "Service contract",
    "Витрина магазина",
];

pub const THINGS: &[&str] = &[
    "Петля",
    "Ручка",
    "Стеклопакет",
    "Профиль",
    "Уплотнитель",
    "Подоконник",
    "Hinge",
    "Handle",
    "Glass unit",
    "Screen",
    "Sealant",
    "Lock",
    "Монтаж",
    "Доставка",
    "Installation",
];

pub const KINDS_OF_THINGS: &[&str] = &["белая", "48 мм", "Pro", "XL", "эконом", "oak", "с замком", "2-pack", "сталь"];

/// What people write: short, long, with quotes, line breaks and more than one alphabet.
pub const PHRASES: &[&str] = &[
    "Позвонить после обеда",
    "Asked for a discount",
    "Клиент просил перезвонить: «после праздников»",
    "Sent the offer by e-mail",
    "Не берёт трубку.\nПробовать утром",
    "Wants it before the 15th; budget is fixed",
    "Договорились о встрече, адрес уточнит",
    "Returned the old handle — see photo",
    "Замер сделан, три проёма 1400×1200",
    "\"Urgent\" according to the buyer",
    "Хочет скидку 5 % & бесплатную доставку",
    "😀 доволен, обещал рекомендовать",
];

pub const TAGS: &[(&str, &str)] = &[
    ("vip", "ae003f"),
    ("опт", "10599d"),
    ("retail", "ed6b00"),
    ("повторный", "41aa4f"),
    ("site", "6b2d90"),
    ("выставка 2024", "b5d8f7"),
    ("cold", "cccccc"),
    ("рекомендация", "ffe193"),
];

pub const SOURCES: &[&str] = &["google", "yandex", "newsletter", "vk", "expo-2024"];

pub const FILE_NAMES: &[(&str, &str)] = &[
    ("Договор №12.pdf", "application/pdf"),
    ("offer.pdf", "application/pdf"),
    ("Замер.jpg", "image/jpeg"),
    ("facade.png", "image/png"),
    ("звонок.mp3", "audio/mpeg"),
    ("price list.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("паспорт.jpg", "image/jpeg"),
    ("notes.txt", "text/plain"),
];
