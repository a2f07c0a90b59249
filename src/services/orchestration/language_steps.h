#pragma once
// Steps that make texts: context out of passages, prompts, answers of the language model, parts of
// long texts.

#include "config/fields.h"
#include "services/orchestration/step.h"

namespace tessera {

/// Numbered passages as a text that fits the model, in the variable `into`; those that do not fit
/// are dropped, from the variable `from` too, so that citations keep their numbers.
class ContextStep final : public Step {
 public:
  struct Options {
    std::string from = "passages";
    std::string into = "context";
    std::uint32_t tokens_max = 0;
    std::uint32_t reserve = 512;
    static void Describe(Fields<Options>& f);
  };
  explicit ContextStep(Options options) : options_(std::move(options)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
};

/// Fills a template with variables. The run's own prompt_template takes its place where
/// `overridable`.
class PromptStep final : public Step {
 public:
  struct Options {
    std::string text;
    std::string into = "prompt";
    bool overridable = false;
    static void Describe(Fields<Options>& f);
  };
  PromptStep(Options options, Template text)
      : options_(std::move(options)), text_(std::move(text)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
  const Template text_;
};

/// Lets the language model answer the prompt in the variable `prompt`, with the run's sampling.
/// `stream` sends the answer to the client as it is written; `cite` puts the numbers of passages
/// behind what they say.
class GenerateStep final : public Step {
 public:
  struct Options {
    std::string prompt = "prompt";
    std::string system;
    std::string into = "answer";
    bool history = false;
    bool stream = false;
    bool cite = false;
    std::uint32_t tokens_max = 0;
    static void Describe(Fields<Options>& f);
  };
  GenerateStep(Options options, Template system)
      : options_(std::move(options)), system_(std::move(system)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  v1::GenerateRequest Request(const Run& run) const;

  const Options options_;
  const Template system_;
};

/// Cuts texts into parts of at most `tokens` tokens of the model, at paragraph and sentence ends
/// where there are any.
class SplitStep final : public Step {
 public:
  struct Options {
    std::string from = "documents";
    std::string into = "parts";
    std::string first;
    std::uint32_t tokens = 0;
    static void Describe(Fields<Options>& f);
  };
  explicit SplitStep(Options options) : options_(std::move(options)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
};

/// Sends a text with variables filled in.
class SayStep final : public Step {
 public:
  struct Options {
    std::string text;
    bool nothing_found = false;
    static void Describe(Fields<Options>& f);
  };
  SayStep(Options options, Template text) : options_(std::move(options)), text_(std::move(text)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
  const Template text_;
};

}  // namespace tessera
