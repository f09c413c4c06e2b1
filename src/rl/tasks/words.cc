#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rl/tasks/problems.h"

namespace invar {
namespace {

struct Letters {
  std::string consonants = "bcdfghjklmnprstvwz";
  std::string vowels = "aeiou";
};

// Consonants and vowels in turn, which tokenizers cut into few pieces.
std::string draw_word(Draws& draws, int64_t length, const Letters& letters) {
  std::string word;
  bool vowel = draws.below(2) == 0;
  for (int64_t i = 0; i < length; ++i, vowel = !vowel) {
    const std::string& from = vowel ? letters.vowels : letters.consonants;
    word += from[draws.below(from.size())];
  }
  return word;
}

// `count` different ones of them.
std::string some(Draws& draws, std::string letters, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) std::swap(letters[i], letters[i + draws.below(letters.size() - i)]);
  return letters.substr(0, count);
}

}  // namespace

Problem draw_reverse(Draws& draws, int64_t difficulty) {
  const std::string word = draw_word(draws, 2 + difficulty, {});
  return {
      .question = fmt::format("Write the word \"{}\" backwards. Reply with the reversed word only.", word),
      .label = std::string(word.rbegin(), word.rend())};
}

Problem draw_count_letters(Draws& draws, int64_t difficulty) {
  // Few different letters, so that counts differ and no single answer is mostly right; one of them may be absent.
  const Letters all;
  const Letters few{.consonants = some(draws, all.consonants, 2), .vowels = some(draws, all.vowels, 2)};
  const std::string word = draw_word(draws, 4 * difficulty, few);
  const std::string letters = few.consonants + few.vowels;
  const char letter = letters[draws.below(letters.size())];
  return {
      .question = fmt::format(
          "How many times does the letter \"{}\" occur in \"{}\"? Reply with the number only.", letter, word),
      .label = std::to_string(std::count(word.begin(), word.end(), letter))};
}

Problem draw_sorting(Draws& draws, int64_t difficulty) {
  constexpr int64_t kMax[] = {9, 99, 999, 999};
  std::vector<int64_t> numbers;
  while (static_cast<int64_t>(numbers.size()) < 2 + difficulty) {
    const int64_t number = draws.between(0, kMax[difficulty - 1]);
    if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) numbers.push_back(number);
  }
  const auto listed = [](const std::vector<int64_t>& items) {
    return fmt::format("{}", fmt::join(items, ", "));
  };
  Problem problem{
      .question = fmt::format("Sort these numbers from smallest to largest: {}. Reply with the sorted "
                              "numbers only, separated by commas.",
                              listed(numbers)),
      .label = {}};
  std::sort(numbers.begin(), numbers.end());
  problem.label = listed(numbers);
  return problem;
}

}  // namespace invar
