#!/bin/sh
# pages.sh PYTHON FOLDER: write the man page and the completions of bash and zsh, all from the parser of the commands.
# PYTHON has sentinel and its extra `package`.
set -eu
python=$1 folder=$2
mkdir -p "$folder"
version=$("$python" -c 'import sentinel; print(sentinel.__version__)')
"$python" -c 'from argparse_manpage.cli import main; main()' --module sentinel.commands.main --function parser --project-name sentinel \
    --version "$version" --manual-title "Sentinel" --description "warns early of critical slowing down" \
    --output "$folder/sentinel.1"
for shell in bash zsh; do
    "$python" -m shtab --shell "$shell" --prog sentinel sentinel.commands.main.parser >"$folder/sentinel.$shell"
done
