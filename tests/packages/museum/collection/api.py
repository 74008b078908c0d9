"""What programs ask for."""

from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from collection.models import Artist, Painting, Report

__all__ = ["obtain_auth_token", "router"]


class ArtistSerializer(ModelSerializer):
    class Meta:
        model = Artist
        fields = ("id", "name", "born")


class PaintingSerializer(ModelSerializer):
    class Meta:
        model = Painting
        fields = ("id", "title", "department", "artists", "technique", "value")


class ReportSerializer(ModelSerializer):
    class Meta:
        model = Report
        fields = ("id", "item", "text", "is_urgent")


class ArtistViewSet(ModelViewSet):
    queryset = Artist.objects.order_by("pk")
    serializer_class = ArtistSerializer


class PaintingViewSet(ModelViewSet):
    queryset = Painting.objects.order_by("pk")
    serializer_class = PaintingSerializer

    @action(detail=False, methods=["post"])
    def many(self, request):
        """What another museum sends when it closes: each is saved, so that all receivers run."""
        serializer = self.get_serializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(status=201)


class ReportViewSet(ModelViewSet):
    queryset = Report.objects.order_by("pk")
    serializer_class = ReportSerializer

    @action(detail=False, methods=["post"])
    def many(self, request):
        """A device sends what it found in a day."""
        serializer = self.get_serializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        # Fault: no receiver of Report hears of these, and so no item counts as looked at.
        Report.objects.bulk_create(Report(**each) for each in serializer.validated_data)
        return Response(status=201)


router = DefaultRouter()
router.register("artists", ArtistViewSet)
router.register("paintings", PaintingViewSet)
router.register("reports", ReportViewSet)
