"""The published models of the libraries that are installed, small ones of each family.

Nothing is downloaded: models are built without weights.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

Build = Callable[[], Any]


def has(name: str) -> bool:
    """Tell whether a library can be imported: one built for another PyTorch cannot."""
    _declare_operators()
    try:
        importlib.import_module(name)
    except Exception:
        return False
    return True


OPERATORS = ("nms", "qnms")  # whose shapes torchvision registers as it is imported
_declared: list[Any] = []  # a library of operators lasts as long as its object


def _declare_operators() -> None:
    """Let torchvision be imported whose operators were compiled for another PyTorch.

    Its wheel is one for GPUs, whose operators do not load beside a PyTorch for CPUs; its models are
    plain Python. timm and segmentation_models_pytorch import it.
    """
    if _declared or importlib.util.find_spec("torchvision") is None:
        return
    import torch

    if not hasattr(torch.ops.torchvision, OPERATORS[0]) and not _loads_operators():
        _declared.append(torch.library.Library("torchvision", "FRAGMENT"))
        for name in OPERATORS:
            _declared[0].define(f"{name}(Tensor dets, Tensor scores, float iou) -> Tensor")


def _loads_operators() -> bool:
    """Tell whether torchvision can be imported as it is: a failed import leaves nothing behind."""
    import subprocess
    import sys

    code = [sys.executable, "-c", "import torchvision"]
    return subprocess.run(code, capture_output=True, check=False).returncode == 0


def models() -> Iterator[tuple[str, Build]]:
    """Yield all models, as (library:name, how to build it)."""
    for name, source in LIBRARIES.items():
        if has(name):
            yield from ((f"{name}:{one}", build) for one, build in source())


def _torchvision() -> Iterator[tuple[str, Build]]:
    import torchvision

    for module in (
        torchvision.models,
        torchvision.models.segmentation,
        torchvision.models.video,
        torchvision.models.optical_flow,
    ):
        for name in torchvision.models.list_models(module=module):
            yield name, lambda name=name: torchvision.models.get_model(name, **_no_weights(name))


def _no_weights(name: str) -> dict[str, Any]:
    if name in ("googlenet", "inception_v3"):
        return {"weights": None, "init_weights": False}
    if name.startswith(("deeplab", "fcn", "lraspp")):
        return {"weights": None, "weights_backbone": None}
    return {"weights": None}


def _timm() -> Iterator[tuple[str, Build]]:
    import timm

    families: dict[str, list[str]] = {}
    for name in timm.list_models():
        module = timm.models.model_entrypoint(name).__module__
        stem = name.split("_")[0].rstrip("0123456789")
        families.setdefault(f"{module}:{stem}", []).append(name)
    for name in sorted(min(names, key=_largeness) for names in families.values()):
        yield name, lambda name=name: timm.create_model(name, pretrained=False)
        yield (
            f"{name}+features",
            lambda name=name: timm.create_model(name, pretrained=False, features_only=True),
        )


SMALL = (
    "atto", "femto", "pico", "nano", "tiny", "xxs", "xs", "small", "s", "t", "medium", "m", "base",
)  # fmt: skip


def _largeness(name: str) -> tuple[Any, ...]:
    """Return by what the models of a family are ordered: the smallest is the one that is run."""
    words = name.replace(".", "_").split("_")
    known = [SMALL.index(word) for word in words if word in SMALL]
    numbers = [int("0" + "".join(filter(str.isdigit, word))) for word in words[:2]]
    return (min(known, default=len(SMALL)), numbers, name)


def _smp() -> Iterator[tuple[str, Build]]:
    import segmentation_models_pytorch as smp

    decoders = ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "PAN", "DeepLabV3",
                "DeepLabV3Plus", "UPerNet", "Segformer")  # fmt: skip
    encoders = ("resnet18", "mobilenet_v2", "efficientnet-b0", "vgg11", "mit_b0", "densenet121",
                "timm-regnetx_002")  # fmt: skip
    for decoder in decoders:
        for encoder in encoders:
            yield (
                f"{decoder}/{encoder}",
                lambda decoder=decoder, encoder=encoder: getattr(smp, decoder)(
                    encoder, encoder_weights=None
                ),
            )


def _monai() -> Iterator[tuple[str, Build]]:
    import monai.networks.nets as nets

    made: dict[str, Callable[[Any, int], Any]] = {
        "UNet": lambda n, d: n.UNet(d, 1, 2, (8, 16, 32, 64), (2, 2, 2), num_res_units=2),
        "BasicUNet": lambda n, d: n.BasicUNet(d, 1, 2, (8, 8, 16, 16, 32, 8)),
        "BasicUNetPlusPlus": lambda n, d: n.BasicUNetPlusPlus(d, 1, 2, (8, 8, 16, 16, 32, 8)),
        "FlexibleUNet": lambda n, d: n.FlexibleUNet(1, 2, "efficientnet-b0", spatial_dims=d),
        "AttentionUnet": lambda n, d: n.AttentionUnet(d, 1, 2, (8, 16, 32), (2, 2)),
        "SegResNet": lambda n, d: n.SegResNet(d, 8, 1, 2),
        "SegResNetDS": lambda n, d: n.SegResNetDS(d, 8, 1, 2),
        "VNet": lambda n, d: n.VNet(d, 1, 2),
        "DynUNet": lambda n, d: n.DynUNet(d, 1, 2, [3] * 4, [1, 2, 2, 2], [2] * 3),
        "HighResNet": lambda n, d: n.HighResNet(d, 1, 2),
        "AHNet": lambda n, d: n.AHNet(spatial_dims=d, upsample_mode="transpose"),
        "AutoEncoder": lambda n, d: n.AutoEncoder(d, 1, 1, (8, 16), (2, 2)),
        "UNETR": lambda n, d: n.UNETR(1, 2, (32,) * d, 8, 48, 96, 4, spatial_dims=d),
        "SwinUNETR": lambda n, d: n.SwinUNETR(1, 2, feature_size=12, spatial_dims=d),
        "ViT": lambda n, d: n.ViT(1, (32,) * d, (16,) * d, 48, 96, 2, 4, spatial_dims=d),
        "DenseNet121": lambda n, d: n.DenseNet121(d, 1, 2),
        "ResNet18": lambda n, d: n.resnet18(spatial_dims=d, n_input_channels=1),
        "SENet154": lambda n, d: n.SEResNet50(spatial_dims=d, in_channels=1),
        "EfficientNet": lambda n, d: n.EfficientNetBN("efficientnet-b0", False, spatial_dims=d),
        "MedNeXt": lambda n, d: n.MedNeXt(d, 8, 1, 2),
        "UNet-1": lambda n, d: n.UNet(d, 1, 2, (4, 8), (2,), num_res_units=0),
        "DiffusionAutoencoder": lambda n, d: n.AutoencoderKL(
            d, 1, 1, (1, 1), (8, 16), (False, False), norm_num_groups=4
        ),
        "VQVAE": lambda n, d: n.VQVAE(
            d,
            1,
            1,
            (8, 8),
            1,
            (8, 8),
            downsample_parameters=((2, 4, 1, 1),) * 2,
            upsample_parameters=((2, 4, 1, 1, 0),) * 2,
        ),
        "Discriminator": lambda n, d: n.PatchDiscriminator(d, 8, 1),
    }
    for name, build in made.items():
        for axes in (2, 3):
            yield f"{name}-{axes}d", lambda build=build, axes=axes: build(nets, axes)


def _diffusers() -> Iterator[tuple[str, Build]]:
    def small(name: str, **options: Any) -> Build:
        def build() -> Any:
            import diffusers

            return getattr(diffusers, name)(**options)

        return build

    down, up = ("DownEncoderBlock2D",) * 3, ("UpDecoderBlock2D",) * 3
    yield "AutoencoderKL", small("AutoencoderKL", down_block_types=down, up_block_types=up,
                                 block_out_channels=(32, 32, 64), norm_num_groups=8)  # fmt: skip
    yield "VQModel", small("VQModel", down_block_types=down, up_block_types=up,
                           block_out_channels=(32, 32, 64), norm_num_groups=8)  # fmt: skip
    yield "AutoencoderTiny", small("AutoencoderTiny")
    yield "AsymmetricAutoencoderKL", small(
        "AsymmetricAutoencoderKL", down_block_types=down[:2], up_block_types=up[:2],
        down_block_out_channels=(32, 64), up_block_out_channels=(32, 64), norm_num_groups=8,
    )  # fmt: skip
    yield "AutoencoderDC", small("AutoencoderDC", encoder_block_out_channels=(32, 64, 64),
        decoder_block_out_channels=(32, 64, 64), encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1), encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()), attention_head_dim=8,
        encoder_block_types="ResBlock", decoder_block_types="ResBlock")  # fmt: skip
    yield "UNet2DModel", small_unet


def small_unet() -> Any:
    """Return diffusers' UNet2DModel at one time step."""
    import torch
    from diffusers import UNet2DModel

    class AtOneTime(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = UNet2DModel(
                block_out_channels=(32, 64, 64), norm_num_groups=8,
                down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return self.unet(x, 3)

    return AtOneTime()


def _transformers() -> Iterator[tuple[str, Build]]:
    def small(config: str, model: str, **options: Any) -> Build:
        def build() -> Any:
            import transformers

            return getattr(transformers, model)(getattr(transformers, config)(**options))

        return build

    tiny = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 64}  # fmt: skip
    for name in ("ViT", "DeiT", "Dinov2", "ViTMAE", "Beit", "ViTMSN", "Dinov2WithRegisters"):
        yield name, small(f"{name}Config", f"{name}Model", **tiny)
    yield "ResNet", small("ResNetConfig", "ResNetModel", embedding_size=8, depths=[1, 1, 1, 1],
                          hidden_sizes=[8, 16, 16, 16])  # fmt: skip
    yield "ConvNext", small("ConvNextConfig", "ConvNextModel", hidden_sizes=[8, 16, 16, 16],
                            depths=[1, 1, 1, 1])  # fmt: skip
    yield "ConvNextV2", small("ConvNextV2Config", "ConvNextV2Model", hidden_sizes=[8, 16, 16, 16],
                              depths=[1, 1, 1, 1])  # fmt: skip
    yield "RegNet", small("RegNetConfig", "RegNetModel", depths=[1, 1, 1, 1])
    yield "MobileNetV1", small("MobileNetV1Config", "MobileNetV1Model", depth_multiplier=0.25)
    yield "MobileNetV2", small("MobileNetV2Config", "MobileNetV2Model", depth_multiplier=0.35)
    yield "MobileViT", small("MobileViTConfig", "MobileViTModel")
    yield "MobileViTV2", small("MobileViTV2Config", "MobileViTV2Model")
    yield (
        "EfficientNet",
        small("EfficientNetConfig", "EfficientNetModel", width_coefficient=0.25, hidden_dim=320),
    )
    yield "Swin", small("SwinConfig", "SwinModel", embed_dim=16, depths=[2, 2],
                        num_heads=[2, 2], window_size=7)  # fmt: skip
    yield "Swinv2", small("Swinv2Config", "Swinv2Model", embed_dim=16, depths=[2, 2],
                          num_heads=[2, 2], window_size=7)  # fmt: skip
    yield "Swin2SR", small("Swin2SRConfig", "Swin2SRForImageSuperResolution", embed_dim=16,
                           depths=[2, 2], num_heads=[2, 2], window_size=8)  # fmt: skip
    yield "Segformer", small("SegformerConfig", "SegformerForSemanticSegmentation",
                             hidden_sizes=[8, 16, 40, 64], depths=[1, 1, 1, 1],
                             decoder_hidden_size=16)  # fmt: skip
    yield "PoolFormer", small("PoolFormerConfig", "PoolFormerModel", depths=[1, 1, 1, 1])
    yield "Pvt", small("PvtConfig", "PvtModel", depths=[1, 1, 1, 1])
    yield "PvtV2", small("PvtV2Config", "PvtV2Model", depths=[1, 1, 1, 1])
    yield "FocalNet", small("FocalNetConfig", "FocalNetModel", embed_dim=16, depths=[1, 1, 1, 1])
    yield "Cvt", small("CvtConfig", "CvtModel")
    yield "Levit", small("LevitConfig", "LevitModel")
    yield "BiT", small("BitConfig", "BitModel", depths=[1, 1, 1, 1])
    yield "DPT", small("DPTConfig", "DPTForDepthEstimation", **{**tiny, "num_hidden_layers": 4},
                       backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8],
                       fusion_hidden_size=8)  # fmt: skip
    yield "HieraModel", small("HieraConfig", "HieraModel", depths=[1, 1, 1, 1], embed_dim=16)
    yield "VitDet", small("VitDetConfig", "VitDetModel", hidden_size=32, num_hidden_layers=2,
                          num_attention_heads=2)  # fmt: skip
    yield "Wav2Vec2", small("Wav2Vec2Config", "Wav2Vec2Model", **tiny)
    yield "Hubert", small("HubertConfig", "HubertModel", **tiny)
    yield "EnCodec", small("EncodecConfig", "EncodecModel")


def _dynamic() -> Iterator[tuple[str, Build]]:
    """Yield the networks of nnU-Net."""

    def small(name: str, axes: int, **options: Any) -> Build:
        def build() -> Any:
            from dynamic_network_architectures.architectures import unet
            from torch import nn

            convolution = (nn.Conv2d, nn.Conv3d)[axes - 2]
            return getattr(unet, name)(
                input_channels=1, n_stages=4, features_per_stage=(8, 16, 16, 16),
                conv_op=convolution, kernel_sizes=3, strides=(1, 2, 2, 2), num_classes=2,
                n_conv_per_stage_decoder=(1, 1, 1), nonlin=nn.ReLU, **options,
            )  # fmt: skip

        return build

    for axes in (2, 3):
        for deep in (False, True):
            told = f"-{axes}d" + ("-deep" if deep else "")
            yield (
                f"PlainConvUNet{told}",
                small("PlainConvUNet", axes, n_conv_per_stage=(1, 1, 1, 1), deep_supervision=deep),
            )
            yield (
                f"ResidualEncoderUNet{told}",
                small(
                    "ResidualEncoderUNet",
                    axes,
                    n_blocks_per_stage=(1, 1, 1, 1),
                    deep_supervision=deep,
                ),
            )


LIBRARIES: dict[str, Callable[[], Iterator[tuple[str, Build]]]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "segmentation_models_pytorch": _smp,
    "monai": _monai,
    "diffusers": _diffusers,
    "transformers": _transformers,
    "dynamic_network_architectures": _dynamic,
}
