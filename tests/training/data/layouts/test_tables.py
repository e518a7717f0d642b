import csv
import io
import posixpath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.data.layouts import recognise
from training.data.layouts.tables import decode, has_columns, read_table
from training.errors import TrainingError

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\\"), min_size=1).map(
    str.strip
)
NAME = CELL.filter(bool)
MASK = NAME.filter(
    lambda name: name.casefold() not in ("nan", "null", "n/a", "-", "none", "no", "0")
)


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(path)


def summary(found):
    defect = sum(item.defect for item in found.test)
    masked = sum(bool(item.masks) for item in found.test)
    return found.layout, len(found.train), len(found.test) - defect, defect, masked


@pytest.fixture
def files(tmp_path):
    """10 images of which the last 3 are defects, and masks of those."""
    write(tmp_path, *(f"img/{i}.png" for i in range(10)), *(f"m/{i}.png" for i in (7, 8, 9)))
    return tmp_path


def lines(row, head="path,label,mask"):
    return "\n".join([head, *(row(i) for i in range(10))])


TABLES = {
    "words": lines(lambda i: f"img/{i}.png,{'good' if i < 7 else 'scratch'},"),
    "numbers": lines(lambda i: f"img/{i}.png,{int(i > 6)}", "image_path,anomaly"),
    "truth": lines(lambda i: f"img/{i}.png;{i < 7}", "File Name;is_normal"),
    "tabs": lines(lambda i: f"img/{i}.png\t{i > 6}", "filename\tDefect"),
    "no row of names": lines(lambda i: f"img/{i}.png,{'ok' if i < 7 else 'ng'}", ""),
    "quotes and other columns": lines(
        lambda i: f'"a, b","img/{i}.png","{"normal" if i < 7 else "dent, hole"}"',
        "note,image,label",
    ),
    "names of defects, none for good ones": lines(
        lambda i: f"img/{i}.png,{'' if i < 7 else 'scratch'}", "image,defect_type"
    ),
    "a spreadsheet with remarks": "sep=;\n# line 2\n"
    + lines(lambda i: f"img/{i}.png;{'OK' if i < 7 else 'NG'}", "path;label"),
    "columns of other names": lines(
        lambda i: f"{i},img/{i}.png,{'OK' if i < 7 else 'NG'}", "id,photo,finding"
    ),
    "several columns that may be labels": lines(
        lambda i: f"img/{i}.png,bottle,{'OK' if i < 7 else 'NG'}", "path,type,status"
    ),
    "names in the folder of images": lines(lambda i: f"{i}.png,{int(i > 6)}", "filename,label"),
    "names without suffix": lines(lambda i: f"{i},{int(i > 6)}", "image_id,label"),
    "paths of another machine": lines(
        lambda i: rf"C:\data\set\img\{i}.png,{int(i > 6)}", "path,label"
    ),
    "several spellings of a path": lines(
        lambda i: f"./img/{i}.png,{int(i > 6)}\nimg/{i}.png,0", "path,label"
    ),
    "bars, and a column with a word for labels in its name": lines(
        lambda i: f"img/{i}.png|{'none' if i < 7 else 'dent'}", "path|defect_type"
    ),
    "another word for a defect as the name of a column": lines(
        lambda i: f"img/{i}.png,{'no' if i < 7 else 'yes'}", "path,Has Faults"
    ),
    "other capitals": lines(lambda i: f"IMG/{i}.PNG,{int(i > 6)}", "path,label"),
    "backslashes": lines(lambda i: rf"img\{i}.png,{int(i > 6)}", "path,label"),
    "blank lines": lines(lambda i: f"\nimg/{i}.png,{int(i > 6)}\n", "path,label"),
    "only masks": lines(lambda i: f"img/{i}.png,{f'm/{i}.png' if i > 6 else ''}", "path,mask"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_paths_and_labels_is_read(name, files):
    (files / "list.csv").write_text(TABLES[name])
    layout, train, normal, defect, _ = summary(recognise(files))
    assert (layout, train, normal, defect) == ("csv", 6, 1, 3)
    assert summary(recognise(files / "list.csv"))[1:4] == (6, 1, 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_may_come_from_a_spreadsheet(encoding):
    assert decode("path,label\nä.png,1\n".encode(encoding)) == "path,label\nä.png,1\n"
    assert decode("ä".encode("latin-1")) == "ä"


def test_splits_masks_and_rows_of_one_image(files):
    rows = ["split,path,label,mask"]
    rows += [f"train,img/{i}.png,good," for i in range(4)]
    rows += ["val,img/4.png,good,", "val,img/9.png,bad,", "train,img/8.png,bad,"]
    rows += ["test,img/5.png,good,", "test,img/7.png,good,", "test,img/7.png,bad,m/7.png"]
    rows += ["test,img/7.png,bad,m/8.png", ",img/6.png,,", "test,img/99.png,bad,m/99.png"]
    (files / "list.csv").write_text("\n".join(rows))
    found = recognise(files)
    assert summary(found) == ("csv", 4, 1, 1, 1)
    assert [item.name for item in found.validation] == ["img/4.png"]
    assert [mask.name for mask in found.test[1].masks] == ["7.png", "8.png"]
    assert found.skipped.endswith(
        "1 rows without path or label, 2 defect among the images for training"
    )
    assert found.warnings == ["1 of 10 images do not exist: img/99.png"]


def test_the_table_of_visa_is_read_from_its_object(tmp_path):
    for name in ("candle", "pcb1"):
        base = f"{name}/Data/Images"
        write(tmp_path, *(f"{base}/Normal/{i}.JPG" for i in range(10)), f"{base}/Anomaly/0.JPG")
        write(tmp_path, f"{name}/Data/Masks/Anomaly/0.png")
        rows = [f"{base}/Normal/{i}.JPG,normal," for i in range(10)]
        rows += [f"{base}/Anomaly/0.JPG,'melt, hole',{name}/Data/Masks/Anomaly/0.png"]
        (tmp_path / name / "image_anno.csv").write_text(
            "\n".join(["image,label,mask", *rows]).replace("'", '"')
        )
    assert summary(recognise(tmp_path / "candle")) == ("visa", 9, 1, 1, 1)
    rows = ["object,split,label,image,mask"]
    for name in ("candle", "pcb1"):
        base = f"{name}/Data/Images"
        rows += [
            f"{name},{'train' if i < 8 else 'test'},normal,{base}/Normal/{i}.JPG,"
            for i in range(10)
        ]
        rows += [f"{name},test,anomaly,{base}/Anomaly/0.JPG,{name}/Data/Masks/Anomaly/0.png"]
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv" / "1cls.csv").write_text("\n".join(rows))
    assert summary(recognise(tmp_path / "candle")) == ("visa", 8, 2, 1, 1)
    with pytest.raises(TrainingError, match=r"several data sets; .* one of: candle, pcb1"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path,label\nimg/0.png,bad\n", "lists no normal image, .* found: bad"),
        ("path,label\nimg/0.png,positive\n", "the label 'positive' can mean good or bad"),
        ("path,label,split\nimg/0.png,good,later\n", "the split is 'later'; expected train, val"),
        ("path,label\nnone/a.png,good\n", "none of the 1 images in list.csv exists; none/a.png"),
        ("path,label\na/0.png,good\nb/0.png,bad\n", "none of the 2 images in list.csv exists"),
        (f"path,label\n{'x' * 9999}.png,good\n", "none of the 1 images in list.csv exists"),
        ("name,age\nx,3\n", "does not have the layout csv: found 10 in img, 3 in m; expected one"),
    ],
)
def test_a_table_that_does_not_serve_is_refused(text, sentence, files):
    (files / "list.csv").write_text(text)
    with pytest.raises(TrainingError, match=sentence):
        recognise(files, "csv")


def test_a_list_whose_images_do_not_exist_is_refused_also_if_it_was_not_asked_for(files):
    (files / "list.csv").write_text("path,label\nx/a.png,good\nx/b.png,bad\n")
    with pytest.raises(TrainingError, match=r"none of the 2 images in list\.csv exists; x/a"):
        recognise(files)


@pytest.mark.parametrize("name", ["LIST.CSV", "list.tsv", "annotations/list.csv"])
def test_a_list_may_have_another_suffix_or_a_folder(name, files):
    (files / name).parent.mkdir(exist_ok=True)
    (files / name).write_text(TABLES["tabs" if name.endswith("tsv") else "words"])
    found = recognise(files)
    assert summary(found)[:4] == ("csv", 6, 1, 3)
    assert not found.skipped


def test_lists_in_several_folders_are_data_sets_unless_they_divide_one(files):
    for place in ("a", "b"):
        (files / place).mkdir()
        (files / place / "list.csv").write_text(TABLES["numbers"])
    with pytest.raises(TrainingError, match="holds several data sets; give one of: a, b"):
        recognise(files)
    (files / "a").rename(files / "train")
    (files / "b").rename(files / "test")
    assert recognise(files).layout == "flat"


def test_an_empty_cell_may_be_a_word(files):
    rows = ["path,label,mask", "img/0.png,good,nan", "img/1.png,good,None", "img/2.png,nan,"]
    (files / "list.csv").write_text("\n".join([*rows, "img/3.png,bad,7.png"]))
    (files / "m").rename(files / "masks")
    found = recognise(files)
    assert summary(found) == ("csv", 2, 0, 1, 1)
    assert (found.skipped, found.warnings) == ("1 rows without path or label", [])


def test_images_found_by_name_are_called_by_their_place(files):
    (files / "list.csv").write_text(TABLES["paths of another machine"])
    assert recognise(files).train[0].name == "img/0.png"


def test_a_table_about_something_else_is_ignored(tmp_path):
    write(tmp_path, *(f"{i}.png" for i in range(3)))
    (tmp_path / "ages.csv").write_text("path,age\n0.png,3\n")
    (tmp_path / "classes.csv").write_text("path,class\n0.png,cat\n1.png,dog\n")
    assert summary(recognise(tmp_path)) == ("flat", 3, 0, 0, 0)


def test_several_tables_are_named_unless_each_is_a_part(files):
    for name in ("a", "b"):
        (files / f"{name}.csv").write_text("path,label\nimg/0.png,good\n")
    with pytest.raises(TrainingError, match=r"several lists of images \(a.csv, b.csv\); give one"):
        recognise(files)
    (files / "a.csv").rename(files / "train.csv")
    (files / "b.csv").write_text("path,label\nimg/9.png,bad\nimg/1.png,good\n")
    (files / "b.csv").rename(files / "test.csv")
    assert summary(recognise(files)) == ("csv", 1, 1, 1, 0)


@given(rows=st.lists(st.tuples(NAME, st.booleans(), st.one_of(st.just(""), MASK)), min_size=1))
def test_what_a_csv_writer_wrote_is_read(rows):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["path", "label", "mask"])
    writer.writerows((path, "bad" if bad else "good", mask) for path, bad, mask in rows)
    text = out.getvalue()
    assert has_columns(text)
    table = read_table(text)
    assert table.unlabelled == 0
    found = {row.path: (row.defect, set(row.masks)) for row in table.rows[""]}
    expected = {}
    for path, bad, mask in rows:
        name = posixpath.normpath(path)
        before, masks = expected.get(name, (False, set()))
        expected[name] = (before or bad, masks | ({posixpath.normpath(mask)} if mask else set()))
    assert found == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_not(data):
    text = decode(data)
    try:
        if has_columns(text):
            read_table(text)
    except TrainingError:
        pass
