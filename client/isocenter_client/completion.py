"""Shell completion, written from the parser itself: what it does not know is not offered."""

from __future__ import annotations

import argparse

Known = dict[str, tuple[str, list[str]]]  # command -> (what it does, its options and fixed values)


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """For ``eval "$(isc completion bash)"``, ``isc completion zsh > _isc``, ``isc completion fish | source``."""
    known = _known(parser)
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](known)


def _known(parser: argparse.ArgumentParser) -> Known:
    found: Known = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                words = [word for own in sub._actions for word in own.option_strings if word.startswith("--")]
                words += [str(choice) for own in sub._actions for choice in own.choices or ()]
                found[name] = ((sub.description or "").split(".")[0].replace("'", "").replace('"', ""), sorted(set(words)))
    return found


def _bash(known: Known) -> str:
    cases = "\n".join(f'    {name}) words="{" ".join(words)}" ;;' for name, (_, words) in known.items())
    return f"""_isc() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{" ".join(known)} --help --version"
  else
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}}
complete -F _isc isc
"""


def _zsh(known: Known) -> str:
    commands = "\n".join(f"    '{name}:{text.replace(':', ' -')}'" for name, (text, _) in known.items())
    cases = "\n".join(f"    {name}) compadd -- {' '.join(words)} ;;" for name, (_, words) in known.items())
    return f"""#compdef isc
_isc() {{
  local -a commands
  commands=(
{commands}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2]" in
{cases}
  esac
  _files
}}
compdef _isc isc
"""


def _fish(known: Known) -> str:
    lines = ["complete -c isc -f"]
    for name, (text, words) in known.items():
        lines.append(f"complete -c isc -n __fish_use_subcommand -a {name} -d '{text}'")
        for word in words:
            given = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c isc -n '__fish_seen_subcommand_from {name}' {given}")
    return "\n".join(lines) + "\n"
