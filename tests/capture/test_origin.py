from __future__ import annotations

from watchglass.capture.origin import code_of, commit

DIGITS = "0123456789abcdef0123456789abcdef01234567"
OTHER = DIGITS[::-1]


def repository(folder, head, **files):
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text(head + "\n")
    for name, text in files.items():
        (folder / ".git" / name).write_text(text)
    return folder


def test_the_commit_is_read_where_git_keeps_it(tmp_path):
    loose = repository(tmp_path / "loose", "ref: refs/heads/main")
    (loose / ".git" / "refs" / "heads").mkdir(parents=True)
    (loose / ".git" / "refs" / "heads" / "main").write_text(DIGITS + "\n")
    (loose / "src" / "inner").mkdir(parents=True)
    assert commit(str(loose / "src" / "inner")) == DIGITS

    packed = f"# pack-refs with: peeled\n{OTHER} refs/heads/other\n{DIGITS} refs/heads/main\n"
    assert commit(str(repository(tmp_path / "packed", "ref: refs/heads/main", **{"packed-refs": packed}))) == DIGITS
    assert commit(str(repository(tmp_path / "detached", DIGITS))) == DIGITS
    assert commit(str(repository(tmp_path / "unborn", "ref: refs/heads/main"))) is None
    assert commit(str(repository(tmp_path / "gone", "ref: refs/heads/x", **{"packed-refs": packed}))) is None


def test_a_worktree_points_to_its_repository(tmp_path):
    main = repository(tmp_path / "main", "ref: refs/heads/main")
    (main / ".git" / "refs" / "heads").mkdir(parents=True)
    (main / ".git" / "refs" / "heads" / "feature").write_text(DIGITS)
    own = main / ".git" / "worktrees" / "feature"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/feature\n")
    (own / "commondir").write_text("../..\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".git").write_text(f"gitdir: {own}\n")
    assert commit(str(tmp_path / "tree")) == DIGITS


def test_what_cannot_be_read_is_unknown_and_counted(tmp_path, lost):
    broken = tmp_path / "broken"
    (broken / ".git").mkdir(parents=True)
    (broken / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert commit(str(broken)) is None
    assert lost() == {"commit": 1}


def test_code_names_the_function_and_its_source():
    about = code_of(repository)
    assert about["function"].endswith(".repository")
    assert len(about["source_hash"]) == 12
    assert "function" not in code_of(None)
