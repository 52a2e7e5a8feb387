from workbench.grounding import facts


def test_numbers_are_read_in_digits_and_words():
    assert facts("Within thirty days, 2 or three times").numbers == {"30", "2", "3"}


def test_the_same_number_is_told_in_one_way():
    assert facts("1,299.00 and 3,50 and 007").numbers == {"1299", "3.5", "7"}


def test_a_number_inside_a_hyphenated_word_does_not_count():
    assert facts("two-step sign-in").numbers == set()


def test_quantities_keep_their_unit_without_plural():
    assert facts("30 days or 5 to 7 working days for 3.95 pounds").quantities >= {
        ("30", "day"),
        ("7", "working"),
        ("3.95", "pound"),
    }


def test_signs_of_currencies_are_units():
    assert facts("£3.95").quantities == facts("3.95 pounds").quantities


def test_names_are_capitals_inside_the_sentence_and_days_anywhere():
    assert facts("We ship to Japan. Monday is fine in the UK.").names == {"japan", "monday", "uk"}


def test_denials_and_limitations_are_told_apart():
    assert facts("It can't be returned").denies
    assert facts("It can\u2019t be returned").denies
    assert not facts("It is paid without interest").denies
    assert facts("It is paid without interest").limits
