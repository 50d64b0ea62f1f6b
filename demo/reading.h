// What the network read, against what was written.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace msq::demo {

struct Guess {
  char character = '?';
  double confidence = 0;  // softmax share, 0..1
};

// The most likely character of one cell's scores, with its softmax share. Precondition: one score a character from
// kFirstCharacter to kLastCharacter.
Guess BestGuess(std::span<const float> scores);

struct Reading {
  int right = 0;
  int total = 0;
  std::string text;    // what was read, spaces where the line has them
  std::string report;  // lines: written, read, marks under wrong characters, one line for each wrong character
};

// Precondition: one guess for each character of `written` that is not a space, in order.
Reading Compare(std::string_view written, std::span<const Guess> guesses);

}  // namespace msq::demo
