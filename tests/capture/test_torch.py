"""torch's tensors, modules and states: versions by their content, kept and read back safely; collected where torch is installed.

torch takes gigabytes, so it is no requirement of the tests: a run without it has none of these.
"""

from __future__ import annotations

import copy
import pickle
from importlib.util import find_spec

import pytest

from watchglass.capture import keeping_read
from watchglass.capture.fingerprint import content_of
from watchglass.capture.keeping_formats import form
from watchglass.capture.keeping_place import checked, form_of, place_of, put
from watchglass.capture.keeping_profile import profile

if find_spec("torch") is not None:
    import torch

    def version(value):
        found = content_of(value).version
        assert found is not None
        return found

    def test_a_tensor_is_its_values():
        tensor = torch.arange(6.0).reshape(2, 3)
        base = version(tensor)
        assert base == version(tensor.clone()) == version(tensor.t().contiguous().t())
        assert base == version(tensor.clone().requires_grad_())
        assert version(torch.arange(10.0)[2:4]) == version(torch.tensor([2.0, 3.0]))
        others = [tensor.reshape(3, 2), tensor.double(), tensor + 1, tensor.bfloat16(), tensor.bfloat16() + 1]
        sparse = torch.tensor([[0.0, 1.0]]).to_sparse()
        found = [base, *map(version, others), version(sparse), version(sparse * 2)]
        assert len(set(found)) == len(found)
        assert content_of(torch.empty(2, device="meta")).version is None

    def test_a_module_is_its_parameters_and_settings():
        def made(seed, share=0.1):
            torch.manual_seed(seed)
            return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(share))

        one = made(0)
        base = version(one)
        assert base == version(made(0)) == version(pickle.loads(pickle.dumps(one))) == version(copy.deepcopy(one))
        assert version(made(1)) != base
        assert version(made(0, 0.2)) != base
        one.eval()
        one(torch.ones(2, 4)).sum().backward()
        one.register_forward_hook(lambda *_: None)
        assert version(one) == base, "neither a mode nor a gradient nor a hook is content"
        assert profile(one)["parameters"] == 4 * 8 + 8 + 16

    def test_a_state_is_its_tensors_by_name():
        state = torch.nn.Linear(2, 2).state_dict()
        base = version(state)
        assert base == version(dict(reversed(state.items()))) == version(pickle.loads(pickle.dumps(state)))
        assert version({**state, "bias": state["bias"] + 1}) != base

    @pytest.mark.parametrize("safe", [True, False])
    def test_states_come_back(tmp_path, safe, monkeypatch):
        if safe and find_spec("safetensors") is None:
            return
        if not safe:
            monkeypatch.setattr("watchglass.capture.keeping_formats.find_spec", lambda _: None)

        def again(value):
            made = form(value)
            name = put(str(tmp_path), made.write, made.name, made.ending).name
            return keeping_read.read(checked(place_of(str(tmp_path), name), name), form_of(name))

        layer = torch.nn.Linear(3, 2)
        assert form(layer).name == ("safetensors" if safe else "torch")
        for value in (layer, layer.state_dict()):
            assert version(again(value)) == version(dict(layer.state_dict()))
        tensor = torch.arange(6.0).reshape(2, 3).t()
        assert torch.equal(again(tensor), tensor)
